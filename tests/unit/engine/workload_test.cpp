// What an engine says of the work and the memory that its requests are.
#include <gmock/gmock.h>

#include <thread>

#include "cachestore/memory/memory_store.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/engine/gated_store.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::Each;
using ::testing::Field;

class EngineWorkload : public EngineTest {
 protected:
  void TearDown() override {
    gated_.Open();
    engine_ = nullptr;
  }

  static PlanMaker Plain(size_t tokens, uint64_t seed = 2) {
    return PlanMaker().New(RandomIds(tokens, seed));
  }

  const PlanMaker stored_ = PlanMaker().Unit(MakeRecipe({}, RandomIds(80, 1))).New({65, 66, 67});
  MemoryBlobStore memory_;
  GatedStore gated_{memory_};
};

TEST_F(EngineWorkload, OfNoRequestsIsNone) {
  Start();
  (void)Run(Plain(100));
  const EngineStats stats = Stats();
  EXPECT_GT(stats.prefill_tokens_per_s, 0);
  EXPECT_EQ(stats.backlog_seconds, 0);
  EXPECT_EQ(stats.kv_use, 0);
}

TEST_F(EngineWorkload, IsTheTokensOfPromptsThatAreToCompute) {
  options_.slots = 1;
  Start(&memory_);
  (void)Run(stored_, 1);
  Start(&gated_);
  (void)Run(Plain(100));
  const double rate = Stats().prefill_tokens_per_s;
  gated_.CloseFrom(0);
  const auto loading = Submit(Request(stored_));
  gated_.WaitForReader();
  EXPECT_DOUBLE_EQ(Stats().backlog_seconds, 3 / rate);  // no load was measured
  EngineRequest continued = Request(Plain(100));
  continued.delivered = {{65, 66, 67}};
  const auto waiting = Submit(std::move(continued));
  EXPECT_DOUBLE_EQ(Stats().backlog_seconds, (3 + 103) / rate);
  gated_.Open();
  loading->Wait();
  waiting->Wait();
  EXPECT_EQ(Stats().backlog_seconds, 0);
}

TEST_F(EngineWorkload, CountsUnitsThatWaitingRequestsLack) {
  options_.slots = 1;
  Start(&gated_);
  (void)Run(PlanMaker().Unit(MakeRecipe({}, RandomIds(80, 3))).New({65}), 1);  // encoded
  (void)Run(stored_, 1);
  const EngineStats before = Stats();
  ASSERT_EQ(before.prefill_tokens_per_s, 0);  // so that tokens count for nothing
  // A put goes on behind the answer; until its end there is nothing to load.
  while (memory_.Contains(Keys(stored_)).value() != std::vector{true}) std::this_thread::yield();
  (void)Drop(Keys(stored_));
  gated_.CloseFrom(0);
  const auto loading = Submit(Request(stored_, 1));
  gated_.WaitForReader();
  const double one = Stats().backlog_seconds;
  EXPECT_GT(one, 0);
  const PlanMaker fresh = PlanMaker().Unit(MakeRecipe({}, RandomIds(80, 5))).New({65});
  const auto waiting = Submit(Request(fresh, 1));
  EXPECT_DOUBLE_EQ(Stats().backlog_seconds, 2 * one);  // of the same size
  gated_.Open();
  loading->Wait();
  waiting->Wait();
}

TEST_F(EngineWorkload, MemoryIsTheRowsOfRequests) {
  options_.slots = 2;
  Start();
  EngineRequest request = Request(Plain(21), 8);
  std::vector<double> used;
  auto answer = std::make_shared<Answer>();
  request.events = answer->Events();
  request.events.on_part = [&](const AnswerPart&) { used.push_back(engine_->stats().kv_use); };
  ASSERT_TRUE(engine_->Submit(std::move(request)).ok());
  answer->Wait();
  ASSERT_EQ(used.size(), 8u);
  const double all = 2.0 * kTinyContext;
  // As the loop before found it: the token before is drawn, and has no row yet.
  EXPECT_DOUBLE_EQ(used[1], 21 / all);
  EXPECT_DOUBLE_EQ(used[7], 27 / all);
}

TEST_F(EngineWorkload, GeneratedTokensAreThoseOfThisWorker) {
  Start();
  const auto whole = Run(Plain(5), 8);
  EXPECT_EQ(Stats().generated_tokens, 8u);
  EngineRequest rest = Request(Plain(5), 8);
  rest.delivered = {{whole->tokens().begin(), whole->tokens().begin() + 6}};
  (void)Run(std::move(rest));
  EXPECT_EQ(Stats().generated_tokens, 10u);
}

TEST_F(EngineWorkload, LoadsAreMeasuredAndCountAsFromTheirTier) {
  Start(&memory_);
  (void)Run(stored_, 1);
  EXPECT_EQ(Stats().load_cost.each, 0);
  engine_ = nullptr;  // its puts are done
  loaded_ = LoadTinyLlama();
  engine_ = StartEngine({.model = loaded_.model.get(),
                         .tokenizer = tokenizer_.get(),
                         .store = &memory_,
                         .format = {loaded_.identity},
                         .store_tier = Source::kRemote},
                        options_);
  EXPECT_THAT(Run(stored_, 1)->usage().units, Each(Field(&UnitUsage::source, Source::kRemote)));
  EXPECT_GT(Stats().load_cost.each, 0);
}

}  // namespace
}  // namespace promptcache::testing
