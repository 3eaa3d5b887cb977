// An engine with a small model, plans made from text, and answers to wait for.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/fake_clock.h"
#include "tests/unit/model/llama_reference.h"
#include "tests/unit/model/tiny_llama.h"
#include "worker/engine/engine.h"

namespace promptcache::testing {

inline constexpr const char* kSchemaVersion = "0123456789abcdef";

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
  Sees sees() const;
  Position next() const { return next_; }

 private:
  Plan plan_;
  std::vector<std::shared_ptr<const Recipe>> recipes_;
  Tokens tokens_;
  std::vector<size_t> unit_of_;  // of each of tokens_; kNew for new ones
  Position next_ = 0;
};

class EngineTest : public ::testing::Test {
 protected:
  // Before the members of a test, such as its stores, go.
  void TearDown() override { engine_ = nullptr; }

  // REQUIRES: members that Start reads are set. Ends an engine that runs. The store is a member of
  // the test.
  void Start(BlobStore* store = nullptr);
  EngineRequest Request(const PlanMaker& prompt, uint32_t max_new_tokens = 8) const;
  // Submits; the request has to be taken.
  std::shared_ptr<Answer> Submit(EngineRequest request);
  // Submits and waits.
  std::shared_ptr<Answer> Run(EngineRequest request);
  std::shared_ptr<Answer> Run(const PlanMaker& prompt, uint32_t max_new_tokens = 8) {
    return Run(Request(prompt, max_new_tokens));
  }
  std::vector<TokenId> Reference(const PlanMaker& prompt, size_t count) const {
    return ReferenceGreedy(llama_, prompt.tokens(), prompt.next(), count, prompt.sees());
  }

  const TinyLlama llama_ = TinyLlama::Random();
  const std::unique_ptr<Tokenizer> tokenizer_ = LoadTinyTokenizer();
  ComputeDtype dtype_ = ComputeDtype::kFp32;
  std::function<LoadedModel(ComputeDtype)> load_ = LoadTinyLlama;
  FakeClock clock_;  // of units' lifetimes
  std::function<void(UnitCache::Changes)> on_residency_;
  EngineOptions options_{.loader_threads = 1};
  LoadedModel loaded_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace promptcache::testing
