// The request contract (cluster/README.md) under everything that can go wrong, in simulated
// clusters: one a seed. `chaos_test --gtest_filter='Chaos.*' --seed N` runs one seed of each kind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/log.h"
#include "tests/chaos/world.h"

namespace promptcache::chaos {
namespace {

using ::testing::UnorderedElementsAre;

std::optional<uint64_t> only_seed;

// Sanitizers make a seed take fifteen times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 250;
#else
constexpr uint64_t kSeeds = 5'000;
#endif

struct Totals {
  uint64_t submitted = 0;
  uint64_t ok = 0;
  uint64_t continued = 0;
  uint64_t cancelled = 0;
  uint64_t resumed = 0;
  std::map<Code, uint64_t> failed;
  FaultCounts injected;
  std::set<std::string_view> traced;  // messages

  void Add(const WorldResult& result) {
    submitted += result.clients.submitted;
    ok += result.clients.ok;
    continued += result.clients.continued;
    cancelled += result.clients.cancelled;
    resumed += result.resumed;
    for (const auto& [code, count] : result.clients.failed) failed[code] += count;
    traced.insert(result.traces.messages.begin(), result.traces.messages.end());
    injected.dropped += result.injected.dropped;
    injected.duplicated += result.injected.duplicated;
    injected.overtaken += result.injected.overtaken;
    injected.full += result.injected.full;
    injected.crashes += result.injected.crashes;
    injected.partitions += result.injected.partitions;
    injected.torn_writes += result.injected.torn_writes;
    injected.drains += result.injected.drains;
  }

  std::string ToString() const {
    std::string text = std::to_string(submitted) + " requests: " + std::to_string(ok) + " ok";
    for (const auto& [code, count] : failed) {
      text += ", " + std::to_string(count) + " " + std::string(CodeName(code));
    }
    return text + "; " + std::to_string(continued) + " ok over another link, " +
           std::to_string(resumed) + " went on elsewhere\ninjected: " + std::to_string(cancelled) +
           " cancelled, " + std::to_string(injected.crashes) + " crashes, " +
           std::to_string(injected.partitions) + " partitions, " +
           std::to_string(injected.dropped) + " messages lost, " +
           std::to_string(injected.duplicated) + " doubled, " + std::to_string(injected.overtaken) +
           " overtaken, " + std::to_string(injected.full) + " not taken, " +
           std::to_string(injected.torn_writes) + " torn writes, " +
           std::to_string(injected.drains) + " drains\n";
  }
};

// Every core takes the next seed. Stops at the first that fails.
Totals RunSeeds(uint64_t count, const Faults& faults) {
  const uint64_t first = only_seed.value_or(0);
  const uint64_t end = only_seed ? first + 1 : count;
  Totals totals;
  std::mutex mutex;
  std::atomic<uint64_t> next{first};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    for (uint64_t seed = next++; seed < end && !failed; seed = next++) {
      const WorldResult result = World(seed, faults).Run();
      const std::lock_guard lock(mutex);
      totals.Add(result);
      for (const std::string& fault : result.faults) {
        failed = true;
        ADD_FAILURE() << "seed " << seed << ": " << fault;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
      threads.emplace_back(work);
    }
  }
  std::fputs(totals.ToString().c_str(), stdout);
  return totals;
}

// A cluster that serves nobody breaks no promise. One seed shows too little of it.
void ExpectServed(const Totals& totals, uint64_t percent) {
  if (only_seed) return;
  EXPECT_GE(totals.ok * 100, (totals.submitted - totals.cancelled) * percent);
  EXPECT_GE(totals.continued * 50, totals.ok);
  EXPECT_GT(totals.resumed, 0u);
}

void ExpectInjected(const Totals& totals, const Faults& faults) {
  if (only_seed) return;
  const FaultCounts& counts = totals.injected;
  const std::pair<uint64_t, uint64_t> all[] = {{faults.drop, counts.dropped},
                                               {faults.duplicate, counts.duplicated},
                                               {faults.overtake, counts.overtaken},
                                               {faults.full, counts.full},
                                               {faults.crash, counts.crashes},
                                               {faults.partition, counts.partitions},
                                               {faults.torn_write, counts.torn_writes},
                                               {faults.cancel, totals.cancelled},
                                               {faults.drain, counts.drains}};
  for (const auto& [wanted, count] : all) EXPECT_EQ(count > 0, wanted > 0);
}

TEST(Chaos, WithoutTroubleEveryRequestEndsWell) {
  const Totals totals = RunSeeds(kSeeds / 25, {});
  EXPECT_EQ(totals.ok, totals.submitted);
}

// What waits for a tick may be late for the shortest deadlines.
TEST(Chaos, WhatAFullQueueDidNotTakeComesLater) {
  const Totals totals = RunSeeds(kSeeds / 25, {.full = 50});
  EXPECT_GT(totals.injected.full, totals.submitted / 50);
  EXPECT_GE(totals.ok, totals.submitted - totals.submitted / 200);
}

TEST(Chaos, CrashesAndPartitionsBreakNoPromise) {
  const Faults faults{.crash = 60, .partition = 4, .torn_write = 3, .cancel = 12, .drain = 15};
  const Totals totals = RunSeeds(kSeeds, faults);
  ExpectServed(totals, 95);
  ExpectInjected(totals, faults);
}

TEST(Chaos, LostDoubledAndOvertakenMessagesBreakNoPromise) {
  const Faults faults{.drop = 60,
                      .duplicate = 40,
                      .overtake = 25,
                      .full = 20,
                      .crash = 80,
                      .partition = 6,
                      .torn_write = 3,
                      .cancel = 12,
                      .drain = 15};
  const Totals totals = RunSeeds(kSeeds, faults);
  ExpectServed(totals, 90);
  ExpectInjected(totals, faults);
}

// That all carry it is checked for every seed.
TEST(Chaos, TheTraceOfItsClientGoesWithEveryMessageAboutARequest) {
  const Totals totals =
      RunSeeds(kSeeds / 25, {.crash = 60, .partition = 4, .torn_write = 3, .cancel = 12});
  EXPECT_THAT(totals.traced, UnorderedElementsAre("submit", "accepted", "partial", "final",
                                                  "cancel", "run", "recipe_query", "recipe_reply",
                                                  "request_query", "request_state", "adopt"));
}

TEST(Chaos, OneSeedIsOneStory) {
  const Faults faults{
      .drop = 60, .duplicate = 40, .overtake = 25, .full = 20, .crash = 50, .partition = 6};
  const WorldResult first = World(7, faults).Run();
  const WorldResult second = World(7, faults).Run();
  EXPECT_EQ(first.clients.ok, second.clients.ok);
  EXPECT_EQ(first.clients.failed, second.clients.failed);
  EXPECT_EQ(first.injected.dropped, second.injected.dropped);
  EXPECT_EQ(first.resumed, second.resumed);
}

}  // namespace
}  // namespace promptcache::chaos

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  promptcache::InitLog("chaos_test", promptcache::LogLevel::kError, promptcache::LogFormat::kText);
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--seed") {
      promptcache::chaos::only_seed = std::strtoull(argv[i + 1], nullptr, 10);
    }
  }
  return RUN_ALL_TESTS();
}
