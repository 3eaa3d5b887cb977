// An engine with a small model.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "tests/fakes/fake_clock.h"
#include "tests/unit/engine/plan_maker.h"
#include "tests/unit/model/llama_reference.h"
#include "tests/unit/model/tiny_llama.h"
#include "worker/engine/model_engine.h"

namespace promptcache::testing {

inline constexpr const char* kSchemaVersion = "0123456789abcdef";

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
  // Of the plan's units.
  std::vector<UnitKey> Keys(const PlanMaker& prompt) const;
  RemovedUnits Drop(const std::vector<UnitKey>& keys);
  // After a turn of the engine's loop that began after everything before this call.
  EngineStats Stats();
  std::vector<TokenId> Reference(const PlanMaker& prompt, size_t count) const {
    return ReferenceGreedy(llama_, prompt.tokens(), prompt.next(), count, prompt.sees());
  }

  const TinyLlama llama_ = TinyLlama::Random();
  const std::unique_ptr<Tokenizer> tokenizer_ = LoadTinyTokenizer();
  ComputeDtype dtype_ = ComputeDtype::kFp32;
  std::function<LoadedModel(ComputeDtype)> load_ = LoadTinyLlama;
  FakeClock clock_;  // of units' lifetimes
  std::function<void(UnitChanges)> on_residency_;
  EngineOptions options_{.loader_threads = 1};
  LoadedModel loaded_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace promptcache::testing
