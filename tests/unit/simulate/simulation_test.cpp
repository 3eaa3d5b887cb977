#include "tools/simulate/simulation.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/simulate/report.h"
#include "tools/simulate/sim_worker.h"

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

TEST(WorkerTiers, UnitsMoveDownAndOut) {
  const WorkerModel model = SmallModel();
  const std::vector<uint32_t> tokens(5, 1000);
  WorkerTiers tiers(model, tokens);
  for (const uint32_t unit : {0, 1, 2, 3}) tiers.ToDevice(unit);
  EXPECT_EQ(tiers.TierOf(0), Source::kHost);
  EXPECT_EQ(tiers.TierOf(3), Source::kDevice);
  tiers.ToDevice(4);
  EXPECT_EQ(tiers.TierOf(0), Source::kEncoded);  // out of both
  EXPECT_EQ(tiers.TierOf(2), Source::kHost);
}

TEST(WorkerTiers, ChangesAreToldOnce) {
  const WorkerModel model = SmallModel();
  const std::vector<uint32_t> tokens(5, 1000);
  WorkerTiers tiers(model, tokens);
  for (const uint32_t unit : {2, 1}) tiers.ToDevice(unit);
  EXPECT_EQ(tiers.TakeChanges(), (std::vector<uint32_t>{1, 2}));
  for (const uint32_t unit : {1, 3}) tiers.ToDevice(unit);
  EXPECT_EQ(tiers.TakeChanges(), (std::vector<uint32_t>{2, 3}));
  EXPECT_TRUE(tiers.TakeChanges().empty());
}

// Of units of 1000 tokens that all are in the store: each is loaded in 0.25 s, then copied in 0.1.
class SimWorkerTest : public ::testing::Test {
 protected:
  // When each of the requests had its first token.
  std::map<uint32_t, double> Serve(const std::vector<SimRequest>& requests) {
    workload_.requests = requests;
    SimWorker worker(model_, workload_, stored_);
    for (uint32_t i = 0; i < requests.size(); ++i) worker.Take(i);
    std::map<uint32_t, double> ended;
    constexpr double kNever = std::numeric_limits<double>::infinity();
    double load = kNever, copy = kNever, turn = kNever, now = 0;
    do {
      if (now == load) worker.EndLoad();
      if (now == copy) worker.EndCopy();
      if (now == turn) {
        for (const SimWorker::Answer& answer : worker.EndTurn()) Answered(answer, now, ended);
      }
      load = worker.StartLoad(now).value_or(load > now ? load : kNever);
      copy = worker.StartCopy(now).value_or(copy > now ? copy : kNever);
      turn = worker.StartTurn(now).value_or(turn > now ? turn : kNever);
      now = std::min({load, copy, turn});
    } while (now < kNever);
    device_s_ = worker.device_seconds();
    return ended;
  }

  WorkerModel model_ = SmallModel();
  Workload workload_{.unit_tokens = std::vector<uint32_t>(4, 1000)};
  std::unordered_set<uint32_t> stored_ = {0, 1, 2, 3};
  std::map<uint32_t, Work> work_;
  double device_s_ = 0;

 private:
  void Answered(const SimWorker::Answer& answer, double now, std::map<uint32_t, double>& ended) {
    ended[answer.request] = now;
    work_[answer.request] = answer.work;
  }
};

TEST_F(SimWorkerTest, UnitsAreLoadedOneAfterAnotherWhileTheDeviceGoesOn) {
  const auto ended = Serve({{.units = {0, 1}, .new_tokens = 50}, {.new_tokens = 500}});
  EXPECT_NEAR(ended.at(1), 0.5, 1e-9);  // past the first one
  EXPECT_NEAR(ended.at(0), 0.5 + 0.1 + 0.05, 1e-9);
  EXPECT_NEAR(device_s_, 0.55, 1e-9) << "copies are not its work";
  EXPECT_NEAR(work_[0].seconds, 2 * 0.25 + 0.05, 1e-9);
  EXPECT_EQ(work_[0].bytes, 2000u);
}

TEST_F(SimWorkerTest, AUnitThatSeveralWaitForIsLoadedOnce) {
  const auto ended = Serve({{.units = {0}, .new_tokens = 50}, {.units = {0}, .new_tokens = 50}});
  EXPECT_NEAR(ended.at(0), 0.25 + 0.1 + 0.1, 1e-9);  // computed together
  EXPECT_NEAR(ended.at(1), ended.at(0), 1e-9);
  EXPECT_EQ(work_[1].bytes, 0u);
  EXPECT_EQ(work_[1].unit_tokens[static_cast<size_t>(Source::kRemote)], 1000u);
}

TEST_F(SimWorkerTest, EncodingTakesTurnsWithRequestsAndFillsTheStore) {
  stored_.clear();
  const auto ended = Serve({{.units = {0}, .new_tokens = 50}, {.new_tokens = 100}});
  EXPECT_NEAR(ended.at(1), 0.256 + 0.1, 1e-9);  // behind one chunk
  EXPECT_NEAR(ended.at(0), 1 + 0.1 + 0.05, 1e-9);
  EXPECT_TRUE(stored_.contains(0));
}

TEST_F(SimWorkerTest, WithoutHostMemoryWhatIsLoadedIsThere) {
  model_.second = Source::kDisk;
  EXPECT_NEAR(Serve({{.units = {0}, .new_tokens = 50}}).at(0), 0.25 + 0.05, 1e-9);
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
