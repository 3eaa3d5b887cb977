#include "tools/bench/serve_bench.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"
#include "tests/fakes/test_env.h"
#include "tests/integration/tiny_model_directory.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tools/bench/cpu_time.h"
#include "tools/bench/reuse_bench.h"
#include "tools/bench/second_by_second.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(LatencyHistogram, QuantilesAreWithinOnePercent) {
  LatencyHistogram times;
  for (int i = 1; i <= 1000; ++i) times.Add(i * 0.01);
  EXPECT_NEAR(times.Quantile(0.5), 5, 0.1);
  EXPECT_NEAR(times.Quantile(0.99), 9.9, 0.2);
  EXPECT_EQ(times.maximum(), 10);
  EXPECT_EQ(times.Quantile(1), times.maximum());
  EXPECT_EQ(times.count(), 1000u);
}

TEST(LatencyHistogram, TakesAnyTime) {
  LatencyHistogram times;
  EXPECT_EQ(times.Quantile(0.5), 0);
  times.Add(0);
  times.Add(1e12);
  EXPECT_LE(times.Quantile(0.5), 1e-3);
  EXPECT_GT(times.Quantile(1), 1e5);
}

TEST(SecondBySecond, ABadMomentIsInItsSecondAndTheOneThatRunsInNone) {
  const SteadyTime start{};
  const auto at = [&](int ms) { return start + std::chrono::milliseconds(ms); };
  SecondBySecond seconds(start);
  for (int ms = 0; ms < 1000; ms += 10) seconds.Add(at(ms), 4);
  for (int ms = 1000; ms < 2000; ms += 10) seconds.Add(at(ms), ms < 1100 ? 50 : 4);
  seconds.Add(at(4500), 6);  // nothing in two of them
  EXPECT_EQ(seconds.p99_ms().samples.size(), 2u);
  EXPECT_NEAR(seconds.p99_ms().minimum(), 4, 0.05);
  EXPECT_NEAR(seconds.p99_ms().maximum(), 50, 0.5);
  seconds.Add(at(5000), 4);
  EXPECT_NEAR(seconds.p99_ms().samples.back(), 6, 0.1);
}

TEST(ProcessSlopes, LookAtTheSecondHalfOnly) {
  std::vector<ProcessSample> samples;
  for (uint64_t i = 0; i < 10; ++i) {
    const uint64_t grown = i < 5 ? 1'000'000 * i : 5'000'000 + 300 * i;
    samples.push_back({.seconds = static_cast<double>(i), .rss_bytes = grown, .open_files = 40});
  }
  EXPECT_NEAR(SlopesOf(samples).rss_bytes_per_s, 300, 1e-6);
  EXPECT_EQ(SlopesOf(samples).files_per_s, 0);
  EXPECT_EQ(SlopesOf({}).rss_bytes_per_s, 0);
}

TEST(ProcessSlopes, AProcessHoldsMemoryAndFiles) {
  const auto sample = SampleProcess();
  ASSERT_TRUE(sample.ok());
  EXPECT_GT(sample->rss_bytes, 0u);
  EXPECT_GT(sample->open_files, 2u);
}

TEST(CpuTime, ReadsTheLineOfAllCores) {
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto time = ParseMachineTime("cpu  100 10 50 800 20 3 7 30 5 1");
  ASSERT_TRUE(time);
  EXPECT_NEAR(time->wanted_s, 200 / ticks, 1e-9);
  EXPECT_NEAR(time->stolen_s, 30 / ticks, 1e-9);
  EXPECT_FALSE(ParseMachineTime("cpu0 100 10 50 800 20 3 7 30 5 1"));
  EXPECT_FALSE(ParseMachineTime("cpu 100 10 50 800 20 3 7"));
  EXPECT_FALSE(ParseMachineTime(""));
}

TEST(CpuTime, AShareIsOfWhatPassedBetweenTwoMoments) {
  EXPECT_EQ(StolenShare({.wanted_s = 100, .stolen_s = 5}, {.wanted_s = 140, .stolen_s = 15}), 0.25);
  EXPECT_EQ(StolenShare({}, {}), 0);
}

TEST(CpuTime, GoesOn) {
  const CpuTime before = CpuTimeNow();
  EXPECT_GT(before.wanted_s, 0);
  CpuTime now = before;
  while (now.process_s - before.process_s < 0.05) now = CpuTimeNow();
  EXPECT_GT(now.wanted_s, before.wanted_s);
}

TEST(ServeWorkload, NoTwoPromptsAreAlike) {
  const ServeWorkload workload({.schemas = 4});
  std::set<std::string> prompts;
  for (uint64_t i = 0; i < 1000; ++i) prompts.insert(workload.Prompt(i));
  EXPECT_EQ(prompts.size(), 1000u);
  EXPECT_EQ(workload.Prompt(7), ServeWorkload({.schemas = 4}).Prompt(7));
}

TEST(ServeWorkload, PromptsImportThreeModulesOrMoreOfAPopularSchema) {
  const ServeWorkload workload({.schemas = 4, .zipf = 1.1});
  for (const std::string& schema : workload.Schemas()) {
    EXPECT_TRUE(ParseSchema(PmlSource("schema", schema)).ok()) << schema;
  }
  size_t first = 0, last = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const PmlSource source("prompt", workload.Prompt(i));
    const auto prompt = ParsePrompt(source);
    ASSERT_TRUE(prompt.ok()) << prompt.status().ToString();
    first += prompt->schema == "bench-0";
    last += prompt->schema == "bench-3";
    const std::string text = workload.Prompt(i);
    const std::regex reference("<part[0-7]/>");
    const auto count = std::distance(std::sregex_iterator(text.begin(), text.end(), reference), {});
    EXPECT_GE(count, 3);
    EXPECT_LE(count, 5);
  }
  EXPECT_GT(first, 3 * last);
}

TEST(ServeWorkload, WholePromptsImportEveryModule) {
  const std::string prompt = ServeWorkload({.schemas = 4}).WholePrompt(2);
  EXPECT_THAT(prompt, HasSubstr("\"bench-2\""));
  for (uint32_t m = 0; m < ServeWorkload::kModules; ++m) {
    EXPECT_THAT(prompt, HasSubstr("<part" + std::to_string(m) + "/>"));
  }
}

TEST(ServeBench, EveryRequestIsAnsweredInFull) {
  const auto model = testing::ModelPath();
  PC_SKIP_WITHOUT(model, "the model of tools/bootstrap");
  const testing::TempDir directory;
  const auto report =
      MeasureServe({.setup = {.model = model->string(),
                              .cluster = {.directory = directory.path(), .workers = 2},
                              .workload = {.schemas = 2},
                              .clients = 4,
                              .limits = {.requests = 40}},
                    .rate = 200},
                   nullptr);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  for (const ServeResult* result : {&report->closed, &report->open}) {
    EXPECT_EQ(result->requests, 40u);
    EXPECT_EQ(result->failed, 0u) << result->first_failure;
    EXPECT_EQ(result->tokens, 40u * 16);
    EXPECT_EQ(result->parts, 40u * 16);
    EXPECT_GE(result->units, 40u * 3);
    EXPECT_EQ(result->first_token_ms.count(), 40u);
    EXPECT_LE(result->first_token_ms.Quantile(0.5), result->total_ms.Quantile(0.5));
  }
}

// With workers that compute nothing, in place of a real model.
class ReuseBench : public ::testing::Test {
 protected:
  ReuseBench() {
    std::filesystem::create_directory(directory_.path() / "model");
    testing::WriteTinyModel("llama3", directory_.path() / "model");
    served_ = *LoadServedModel(setup_.model, "auto");
  }

  const testing::TempDir directory_;
  ServedModel served_;
  ServeSetup setup_ = {.model = directory_.Sub("model"),
                       .cluster = {.directory = directory_.path(),
                                   .make_model =
                                       [this](const WorkerSettings& settings) {
                                         return MakeFakeWorkerModel(served_, settings, {});
                                       }},
                       .workload = {.schemas = 3, .words = 4},
                       .clients = 4,
                       .limits = {.requests = 30}};
};

TEST_F(ReuseBench, WithReuseModulesAreInMemoryAndWithoutNothingIs) {
  const auto report = MeasureReuse(setup_, nullptr);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  for (const ServeResult* result : {&report->reuse, &report->full}) {
    EXPECT_EQ(result->requests, 30u);
    EXPECT_EQ(result->failed, 0u) << result->first_failure;
    EXPECT_EQ(result->first_token_ms.count(), 30u);
  }
  EXPECT_GE(report->reuse.units, 30u * 3);
  EXPECT_EQ(report->reuse.resident_units, report->reuse.units);
  EXPECT_GT(report->reuse.cached_tokens, 0u);
  EXPECT_EQ(report->full.cached_tokens, 0u);
  EXPECT_EQ(report->full.units, 0u);
  EXPECT_EQ(report->full.prompt_tokens, report->reuse.prompt_tokens);
}

TEST_F(ReuseBench, ReportsHaveBothInTheSameWords) {
  ReuseBenchReport report{.setup = setup_};
  report.reuse = {
      .requests = 40, .seconds = 2, .tokens = 640, .prompt_tokens = 8000, .cached_tokens = 6000};
  report.full = {.requests = 10, .seconds = 2, .tokens = 160, .prompt_tokens = 2000};
  report.full.failed = 1;
  report.full.first_failure = "busy: no room";
  for (int i = 0; i < 10; ++i) report.full.first_token_ms.Add(100 + i);
  const nlohmann::json json = ReuseBenchToJson(report);
  EXPECT_EQ(json["cache_on"]["requests_per_s"], 20);
  EXPECT_EQ(json["cache_on"]["tokens_per_s"], 320);
  EXPECT_EQ(json["cache_on"]["prompt_tokens_per_s"], 4000);
  EXPECT_EQ(json["cache_on"]["cached_share"], 0.75);
  EXPECT_EQ(json["cache_off"]["cached_share"], 0);
  EXPECT_NEAR(json["cache_off"]["first_token_ms"]["p90"].get<double>(), 108, 1.1);
  EXPECT_EQ(json["requests_ratio"], 4);
  EXPECT_THAT(RenderReuseBench(report), HasSubstr("busy: no room"));
}

TEST(ServeBench, ReportsSayWhatFailed) {
  ServeBenchReport report;
  report.closed.requests = 10;
  report.closed.seconds = 2;
  report.closed.failed = 1;
  report.closed.first_failure = "busy: no room";
  report.closed.total_ms.Add(4);
  report.closed.cpu_seconds = 0.02;
  EXPECT_THAT(RenderServeBench(report), HasSubstr("busy: no room"));
  const nlohmann::json json = ServeBenchToJson(report);
  EXPECT_EQ(json["closed"]["requests_per_s"], 5);
  EXPECT_EQ(json["closed"]["cpu_ms_per_request"], 2);
  EXPECT_EQ(json["open"]["cpu_ms_per_request"], 0);
  EXPECT_NEAR(json["closed"]["total_ms"]["p99"].get<double>(), 4, 0.05);
}

TEST(ServeBench, ReportsWarnOfAHostThatTookMuch) {
  ServeBenchReport report;
  report.closed.stolen_share = 0.01;
  EXPECT_THAT(RenderServeBench(report), Not(HasSubstr("WARNING")));
  report.open.stolen_share = 0.12;
  EXPECT_THAT(RenderServeBench(report),
              HasSubstr("the host gave 12 % of the CPU time that was wanted to others"));
  EXPECT_EQ(ServeBenchToJson(report)["open"]["stolen_share"], 0.12);
}

TEST(ServeBench, ReportsHaveP99SecondBySecond) {
  ServeBenchReport report;
  report.open.p99_by_second_ms.samples = {4, 60, 5};
  EXPECT_THAT(RenderServeBench(report),
              HasSubstr("p99 of whole answers 5.00 ms (median of 3, 4.00 ms to 60 ms)"));
  const nlohmann::json json = ServeBenchToJson(report);
  EXPECT_EQ(json["open"]["total_p99_ms_by_second"], 5);
  EXPECT_EQ(json["open"]["total_p99_ms_by_second_max"], 60);
}

}  // namespace
}  // namespace promptcache
