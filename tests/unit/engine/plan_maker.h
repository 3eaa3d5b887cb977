// Plans made by hand, and answers to wait for. Without LibTorch.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker/engine/request.h"

namespace promptcache::testing {

// What became of a request. Thread safe.
class Answer {
 public:
  RequestEvents Events();
  // Waits for the final. The values below are stable from then on.
  void Wait();
  // Waits until so many tokens are there, of all samples, or the final.
  void WaitTokens(size_t count);

  const Status& status() const { return status_; }
  const Usage& usage() const { return usage_; }
  // Of the first sample.
  const std::vector<TokenId>& tokens() const { return sample(0).tokens; }
  const std::string& text() const { return sample(0).text; }
  const AnswerPart& sample(size_t index) const { return samples_[index]; }
  int finals() const { return finals_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_ until the final.
  std::array<AnswerPart, GenerationOptions::kMaxSamples> samples_;
  size_t count_ = 0;  // of tokens
  Status status_;
  Usage usage_;
  int finals_ = 0;
};

KnownRecipePtr Known(const Recipe& recipe);

// A prompt in the making: units and new tokens in the order of their positions.
class PlanMaker {
 public:
  // All rows of a unit from the next position on.
  PlanMaker& Unit(std::shared_ptr<const Recipe> recipe, const Lifetime& lifetime = {});
  PlanMaker& New(const std::vector<TokenId>& ids);
  PlanMaker& Gap(Position positions);

  Plan plan() const;
  const std::vector<std::shared_ptr<const Recipe>>& recipes() const { return recipes_; }
  // The prompt as one text; what sees what when each unit saw nothing but itself.
  const Tokens& tokens() const { return tokens_; }
  std::function<bool(size_t query, size_t key)> sees() const;
  Position next() const { return next_; }

 private:
  Plan plan_;
  std::vector<std::shared_ptr<const Recipe>> recipes_;
  Tokens tokens_;
  std::vector<size_t> unit_of_;  // of each of tokens_; kNew for new ones
  Position next_ = 0;
};

}  // namespace promptcache::testing
