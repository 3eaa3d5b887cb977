// Holds the policy `cost` against the others in every cell of the table of
// tools/simulate/README.md.
#include "tools/simulate/cells.h"

#include <gtest/gtest.h>

#include <map>
#include <ostream>
#include <string>

#include "tests/fakes/test_env.h"

namespace promptcache {

// For names of failed tests.
void PrintTo(const Cell& cell, std::ostream* out) { *out << cell.name; }

namespace testing {
namespace {

class CellTable : public ::testing::TestWithParam<Cell> {
 protected:
  void SetUp() override {
    const auto data = TestDataDir();
    if (GetParam().trace_speed > 0) PC_SKIP_WITHOUT(data, "data/traces with PROMPTCACHE_TEST_DATA");
    Result<Workload> made = GetParam().MakeWorkload(data.value_or("") / "data/traces");
    if (made.status().code() == Code::kNotFound) GTEST_SKIP() << made.status().message();
    ASSERT_TRUE(made.ok()) << made.status().message();
    workload_ = *std::move(made);
  }

  SimulationResult Simulated(const std::string& policy,
                             const Disturbances& disturbances = {}) const {
    return *Simulate(workload_, workers_, {.policy = policy, .disturbances = disturbances});
  }

  // Of `cost`; kept for the other tests of this cell.
  const SimulationResult& Undisturbed() const {
    static std::map<std::string, SimulationResult> results;
    const auto found = results.find(GetParam().name);
    if (found != results.end()) return found->second;
    return results.emplace(GetParam().name, Simulated("cost")).first->second;
  }

  Workload workload_;
  std::vector<WorkerModel> workers_ = GetParam().Workers();
};

TEST_P(CellTable, CostIsNoWorseThanTheBestOfTheOthersAndKeepsTheHitsOfAffinity) {
  const SimulationResult& cost = Undisturbed();
  const SimulationResult affinity = Simulated("rendezvous");
  for (const std::string other : {"bounded_load", "shortest_queue"}) {
    EXPECT_LE(cost.ttft_s.p99(), 1.1 * Simulated(other).ttft_s.p99()) << other;
  }
  EXPECT_LE(cost.ttft_s.p99(), 1.1 * affinity.ttft_s.p99());
  EXPECT_GE(cost.Share(Source::kDevice), affinity.Share(Source::kDevice) - 0.03);
}

TEST_P(CellTable, NoiseAndStaleReportsCostLessThanHalfAsMuchAgain) {
  Disturbances disturbances = Disturbed();
  disturbances.away_share = 0;
  EXPECT_LE(Simulated("cost", disturbances).ttft_s.p99(), 1.5 * Undisturbed().ttft_s.p99());
}

TEST_P(CellTable, AWorkerThatLeavesAndComesBackEmptyCostsLessThanHalfAsMuchAgain) {
  EXPECT_LE(Simulated("cost", Disturbed()).ttft_s.p99(), 1.5 * Undisturbed().ttft_s.p99());
}

INSTANTIATE_TEST_SUITE_P(All, CellTable, ::testing::ValuesIn(Cells()), [](const auto& cell) {
  std::string name = cell.param.name;
  std::erase_if(name, [](char c) { return c == '.' || c == '-'; });
  return name;
});

}  // namespace
}  // namespace testing
}  // namespace promptcache
