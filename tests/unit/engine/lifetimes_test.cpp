// How long units stay in memory, seen from requests and from what the engine reports.
#include <gmock/gmock.h>

#include <future>

#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"
#include "worker/service/resident_units.h"

namespace promptcache::testing {
namespace {

using std::chrono::hours;
using ::testing::IsEmpty;

constexpr Lifetime kHour{.ttl_ms = 3'600'000};
constexpr Lifetime kDay{.ttl_ms = 86'400'000};
constexpr Lifetime kPinned{.pinned = true};
constexpr uint64_t kUnitBytes = 40 * 2 * 3 * 2 * 16 * 4;  // 40 tokens

class EngineLifetimes : public EngineTest {
 protected:
  static PlanMaker Prompt(uint64_t seed, const Lifetime& lifetime) {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(40, seed)), lifetime).New({65});
  }
  // Where the prompt's unit came from.
  Source SourceOf(const PlanMaker& prompt) { return Run(prompt, 1)->usage().units.at(0).source; }
};

TEST_F(EngineLifetimes, ExpiredUnitIsEncodedAgain) {
  Start();
  const auto first = Run(Prompt(1, kHour), 8);
  clock_.Advance(hours(1) - std::chrono::nanoseconds(1));
  EXPECT_EQ(SourceOf(Prompt(1, kHour)), Source::kDevice);
  clock_.Advance(hours(1));
  const auto again = Run(Prompt(1, kHour), 8);
  EXPECT_EQ(again->usage().units.at(0).source, Source::kEncoded);
  EXPECT_EQ(again->tokens(), first->tokens());
}

TEST_F(EngineLifetimes, ExpiredUnitIsReportedAsGone) {
  ResidentUnits reported;
  on_residency_ = [&](const UnitChanges& changes) { reported.Apply(changes); };
  Start();
  (void)Run(Prompt(1, kHour));
  EXPECT_EQ(Stats().units, 1u);
  EXPECT_EQ(reported.keys(), Keys(Prompt(1, kHour)));
  clock_.Advance(hours(1));
  (void)Run(PlanMaker().New({65}), 1);
  const EngineStats stats = Stats();
  EXPECT_EQ(stats.units, 0u);
  EXPECT_EQ(stats.unit_bytes, 0u);
  EXPECT_THAT(reported.keys(), IsEmpty());
  engine_ = nullptr;  // before what it reports to
}

TEST_F(EngineLifetimes, UnitExpiresWithoutAnyRequest) {
  std::promise<void> added;
  std::promise<std::vector<UnitKey>> removed;
  on_residency_ = [&](const UnitChanges& changes) {
    changes.removed.empty() ? added.set_value() : removed.set_value(changes.removed);
  };
  Start();
  const PlanMaker prompt = Prompt(1, {.ttl_ms = 10});
  (void)Run(prompt, 1);
  added.get_future().wait();
  clock_.Advance(std::chrono::milliseconds(10));  // the engine looks again by itself
  EXPECT_EQ(removed.get_future().get(), Keys(prompt));
  engine_ = nullptr;  // before the promises
}

TEST_F(EngineLifetimes, LongerOfTwoLifetimesWinsForRequestsThatWaitTogether) {
  for (const auto& [first, second] : {std::pair(kHour, kDay), std::pair(kDay, kHour)}) {
    Start();
    const auto one = Submit(Request(Prompt(1, first), 1));
    const auto two = Submit(Request(Prompt(1, second), 1));
    one->Wait();
    two->Wait();
    clock_.Advance(hours(23));
    EXPECT_EQ(SourceOf(Prompt(1, kHour)), Source::kDevice);
  }
}

TEST_F(EngineLifetimes, PinnedUnitStaysWhenOthersNeedTheRoom) {
  options_.unit_cache_bytes = 3 * kUnitBytes;
  Start();
  (void)Run(Prompt(1, kPinned));
  for (uint64_t i = 2; i < 8; ++i) (void)Run(Prompt(i, {}));
  EXPECT_EQ(SourceOf(Prompt(1, {})), Source::kDevice);
  EXPECT_EQ(SourceOf(Prompt(2, {})), Source::kEncoded);
  EXPECT_LE(engine_->stats().unit_bytes, options_.unit_cache_bytes);
}

}  // namespace
}  // namespace promptcache::testing
