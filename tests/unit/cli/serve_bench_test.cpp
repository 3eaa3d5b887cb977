#include "tools/bench/serve_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "coordinator/pml/prompt.h"
#include "coordinator/pml/schema.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;

TEST(LatencyHistogram, QuantilesAreWithinOnePercent) {
  LatencyHistogram times;
  for (int i = 1; i <= 1000; ++i) times.Add(i * 0.01);
  EXPECT_NEAR(times.Quantile(0.5), 5, 0.1);
  EXPECT_NEAR(times.Quantile(0.99), 9.9, 0.2);
  EXPECT_EQ(times.maximum(), 10);
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

TEST(ServeBench, EveryRequestIsAnsweredInFull) {
  const auto model = testing::ModelPath();
  PC_SKIP_WITHOUT(model, "the model of tools/bootstrap");
  const testing::TempDir directory;
  const auto report = MeasureServe({.model = model->string(),
                                    .directory = directory.path(),
                                    .workload = {.schemas = 2},
                                    .clients = 4,
                                    .limits = {.requests = 40},
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

TEST(ServeBench, ReportsSayWhatFailed) {
  ServeBenchReport report;
  report.closed.requests = 10;
  report.closed.seconds = 2;
  report.closed.failed = 1;
  report.closed.first_failure = "busy: no room";
  report.closed.total_ms.Add(4);
  EXPECT_THAT(RenderServeBench(report), HasSubstr("busy: no room"));
  const nlohmann::json json = ServeBenchToJson(report);
  EXPECT_EQ(json["closed"]["requests_per_s"], 5);
  EXPECT_NEAR(json["closed"]["total_ms"]["p99"].get<double>(), 4, 0.05);
}

}  // namespace
}  // namespace promptcache
