#include "tools/simulate/simulation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "tools/simulate/report.h"

namespace promptcache::testing {
namespace {

WorkerModel SmallModel() {
  return {.rates = {.prefill_tokens_per_s = 1000,
                    .host = {.bytes_per_s = 10'000},
                    .remote = {.bytes_per_s = 4000}},
          .device_bytes = 2000,
          .second_bytes = 2000,
          .kv_bytes_per_token = 1};
}

Workload Busy() {
  return MakeZipf({.exponent = 1, .schemas = 200, .requests_per_s = 100, .seconds = 20});
}

SimulationResult Simulated(const Workload& workload, const SimulationOptions& options) {
  return *Simulate(workload, std::vector<WorkerModel>(4, GpuModel()), options);
}

// Of all requests: what was answered or rejected.
size_t Done(const SimulationResult& result) {
  return result.ttft_s.samples.size() + result.rejected;
}

TEST(WorkerTiers, UnitsMoveDownAndComeBackFromWhereTheyAre) {
  const WorkerModel model = SmallModel();
  const std::vector<uint32_t> tokens(5, 1000);
  WorkerTiers tiers(model, tokens);
  std::unordered_set<uint32_t> stored;
  EXPECT_DOUBLE_EQ(tiers.Run({.units = {0, 1}}, stored).seconds, 2);
  EXPECT_DOUBLE_EQ(tiers.Run({.units = {0, 1}, .new_tokens = 500}, stored).seconds, 0.5);
  EXPECT_DOUBLE_EQ(tiers.Run({.units = {2, 3}}, stored).seconds, 2);
  EXPECT_EQ(tiers.TierOf(0), Source::kHost);
  const Work back = tiers.Run({.units = {0}}, stored);
  EXPECT_DOUBLE_EQ(back.seconds, 0.1);
  EXPECT_EQ(back.bytes, 1000u);
  EXPECT_EQ(back.unit_tokens[static_cast<size_t>(Source::kHost)], 1000u);
  tiers.Run({.units = {4}}, stored);
  EXPECT_EQ(tiers.TierOf(1), Source::kEncoded);  // out of both
  EXPECT_DOUBLE_EQ(tiers.Run({.units = {1}}, stored).seconds, 0.25);
}

TEST(WorkerTiers, ChangesAreToldOnce) {
  const WorkerModel model = SmallModel();
  const std::vector<uint32_t> tokens(5, 1000);
  WorkerTiers tiers(model, tokens);
  std::unordered_set<uint32_t> stored;
  tiers.Run({.units = {2, 1}}, stored);
  EXPECT_EQ(tiers.TakeChanges(), (std::vector<uint32_t>{1, 2}));
  tiers.Run({.units = {1, 3}}, stored);
  EXPECT_EQ(tiers.TakeChanges(), (std::vector<uint32_t>{2, 3}));
  EXPECT_TRUE(tiers.TakeChanges().empty());
}

TEST(Simulation, OneSeedGivesOneResult) {
  const Workload workload = Busy();
  SimulationOptions options{.dropped_share = 0};
  options.disturbances = {.noise = 0.5, .lost_deltas = 0.1, .away_share = 0.2};
  const SimulationResult a = Simulated(workload, options);
  const SimulationResult b = Simulated(workload, options);
  EXPECT_EQ(a.ttft_s.samples, b.ttft_s.samples);
  EXPECT_EQ(a.busy_s, b.busy_s);
  options.seed = 2;
  EXPECT_NE(Simulated(workload, options).ttft_s.samples, a.ttft_s.samples);
}

TEST(Simulation, EveryRequestIsAnsweredOrRejected) {
  const Workload workload = Busy();
  for (const char* policy : {"cost", "rendezvous", "bounded_load", "shortest_queue"}) {
    SimulationOptions options{.policy = policy, .deadline_s = 0.5, .dropped_share = 0};
    options.rails.queue_bound_s = 0.1;
    options.disturbances = {.lost_deltas = 0.1, .slow_factor = 0.3, .away_share = 0.2};
    const SimulationResult result = Simulated(workload, options);
    EXPECT_EQ(Done(result), workload.requests.size()) << policy;
  }
}

TEST(Simulation, RejectsOnlyUnderADeadline) {
  ZipfOptions flood{.schemas = 200, .requests_per_s = 400, .seconds = 20};
  const Workload workload = MakeZipf(flood);
  EXPECT_EQ(Simulated(workload, {}).rejected, 0u);
  const SimulationResult result = Simulated(workload, {.deadline_s = 0.5});
  EXPECT_GT(result.rejected, 100u);
  EXPECT_LT(result.ttft_s.p99(), 1);
}

TEST(Simulation, ALoneRequestTakesWhatItsModelTakes) {
  Workload workload{.unit_tokens = {2000, 2000},
                    .requests = {{.arrival_s = 1, .units = {0, 1}, .new_tokens = 1000},
                                 {.arrival_s = 9, .units = {0, 1}, .new_tokens = 1000}}};
  const SimulationResult result = *Simulate(workload, {GpuModel()}, {.dropped_share = 0});
  EXPECT_NEAR(result.ttft_s.samples[0], 0.25, 1e-9);
  EXPECT_NEAR(result.ttft_s.samples[1], 0.05, 1e-9);
  EXPECT_DOUBLE_EQ(result.Share(Source::kDevice), 0.5);
  EXPECT_DOUBLE_EQ(result.Share(Source::kEncoded), 0.5);
  EXPECT_NEAR(result.busy_s[0], 0.3, 1e-9);
}

TEST(Simulation, ASlowWorkerGetsLess) {
  const Workload workload = Busy();
  SimulationOptions options;
  options.disturbances.slow_factor = 0.2;
  const SimulationResult slow = Simulated(workload, options);
  // Calibration finds out: it works no longer than the others, on fewer requests.
  EXPECT_LT(slow.busy_balance(), 1.8);
}

TEST(Simulation, NeedsWorkersRequestsAndAKnownPolicy) {
  const Workload workload = Busy();
  EXPECT_EQ(Simulate({}, {GpuModel()}, {}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Simulate(workload, {}, {}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Simulate(workload, {GpuModel()}, {.policy = "best"}).status().code(),
            Code::kInvalidArgument);
  SimulationOptions away;
  away.disturbances.away_share = 0.1;
  EXPECT_EQ(Simulate(workload, {GpuModel()}, away).status().code(), Code::kInvalidArgument);
}

TEST(SimulationReport, HasAllPoliciesInTableJsonAndPlot) {
  const Workload workload = Busy();
  const std::vector<SimulationResult> results = {Simulated(workload, {}),
                                                 Simulated(workload, {.policy = "rendezvous"})};
  const std::string table = RenderSimulations(results);
  EXPECT_NE(table.find("seed 1"), std::string::npos);
  EXPECT_NE(table.find("\nrendezvous"), std::string::npos);
  const nlohmann::json json = SimulationsToJson(results);
  EXPECT_EQ(json["policies"][1]["policy"], "rendezvous");
  double shares = 0;
  for (const auto& share : json["policies"][0]["token_share"]) shares += share.get<double>();
  EXPECT_NEAR(shares, 1, 1e-9);
  const std::string plot = PlotSimulations(results);
  EXPECT_EQ(plot.find("<svg"), 0u);
  EXPECT_NE(plot.find(">rendezvous</text>"), std::string::npos);
  EXPECT_EQ(plot.find("nan"), std::string::npos);
}

}  // namespace
}  // namespace promptcache::testing
