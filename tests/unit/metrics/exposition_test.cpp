// Metrics as Prometheus reads them.
#include "common/metrics/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/http_client.h"
#include "worker/metrics/worker_metrics.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ValuesOf;

struct Counts {
  uint64_t lost = 0;
  double share = 0;
};
constexpr MetricRow<Counts> kTable[] = {
    {{"promptcache_lost_total", MetricKind::kCounter, "", "Lost things."},
     [](const Counts& counts, MetricSeries& series) { series.Add(counts.lost); }},
    {{"promptcache_share_ratio", MetricKind::kGauge, "of", "Shares."},
     [](const Counts& counts, MetricSeries& series) {
       series.Add("half", counts.share);
       series.Add("a\"b\\c\nd", 1);
     }},
    {{"promptcache_nothing", MetricKind::kGauge, "of", "Without values now."},
     [](const Counts&, MetricSeries&) {}},
};

std::string TextOf(const Counts& counts) {
  Metrics metrics;
  ReadMetrics(kTable, counts, metrics);
  return ExpositionText(metrics);
}

TEST(Exposition, HasNameKindAndMeaningOfEachFamilyAlsoWithoutValues) {
  const std::string text = TextOf({});
  EXPECT_THAT(text, HasSubstr("# HELP promptcache_lost_total Lost things.\n"
                              "# TYPE promptcache_lost_total counter\n"
                              "promptcache_lost_total 0\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE promptcache_share_ratio gauge\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE promptcache_nothing gauge\n"));
}

TEST(Exposition, KeepsLargeNumbersAndFractions) {
  const auto values = ValuesOf(TextOf({.lost = uint64_t{1} << 52, .share = 0.5}));
  EXPECT_EQ(values.at("promptcache_lost_total"), 4503599627370496.0);
  EXPECT_EQ(values.at("promptcache_share_ratio{of=\"half\"}"), 0.5);
}

TEST(Exposition, ALabelCannotEndItsLine) {
  EXPECT_THAT(TextOf({}), HasSubstr("promptcache_share_ratio{of=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Histogram, CountsEachValueInTheRangeUpToItsBound) {
  constexpr double kBounds[] = {1, 10};
  Histogram histogram(kBounds);
  for (const double value : {0.5, 1.0, 1.5, 10.0, 11.0}) histogram.Observe(value);
  EXPECT_THAT(histogram.counts(), ElementsAre(2, 2, 1));
  EXPECT_EQ(histogram.count(), 5u);
  EXPECT_EQ(histogram.sum(), 24);
}

TEST(Exposition, BucketsOfAHistogramAddUp) {
  constexpr double kBounds[] = {1, 10};
  Histogram histogram(kBounds);
  for (const double value : {0.5, 5.0, 50.0}) histogram.Observe(value);
  Metrics metrics;
  metrics.emplace_back(MetricFamily{"promptcache_x_seconds", MetricKind::kHistogram, "", "X."})
      .Add(histogram);
  const auto values = ValuesOf(ExpositionText(metrics));
  EXPECT_EQ(values.at("promptcache_x_seconds_bucket{le=\"1\"}"), 1);
  EXPECT_EQ(values.at("promptcache_x_seconds_bucket{le=\"10\"}"), 2);
  EXPECT_EQ(values.at("promptcache_x_seconds_bucket{le=\"+Inf\"}"), 3);
  EXPECT_EQ(values.at("promptcache_x_seconds_count"), 3);
  EXPECT_EQ(values.at("promptcache_x_seconds_sum"), 55.5);
}

TEST(ImportCounters, AUnitCountsForEachRequestThatImportedIt) {
  ImportCounters counters;
  const UnitUsage disk{.source = Source::kDisk, .bytes = 100, .milliseconds = 250};
  const UnitUsage device{.source = Source::kDevice, .bytes = 100};
  counters.Add({.units = {disk, device}});
  counters.Add({.units = {device}});
  EXPECT_EQ(counters.of(Source::kDisk).units, 1u);
  EXPECT_EQ(counters.of(Source::kDisk).wait_s, 0.25);
  EXPECT_EQ(counters.of(Source::kDevice).units, 2u);
  EXPECT_EQ(counters.of(Source::kDevice).bytes, 200u);
  EXPECT_EQ(counters.of(Source::kEncoded).units, 0u);
}

TEST(WorkerReadiness, NeedsACoordinatorAndThatItDoesNotDrain) {
  MeasuredWorker worker;
  EXPECT_THAT(ReadinessOf(worker).message(), HasSubstr("no coordinator"));
  worker.coordinators = 1;
  EXPECT_TRUE(ReadinessOf(worker).ok());
  worker.heartbeat.draining = true;
  EXPECT_THAT(ReadinessOf(worker).message(), HasSubstr("draining"));
}

TEST(WorkerMetrics, AreThoseOfTheHeartbeatAndTheImports) {
  MeasuredWorker worker{.heartbeat = {.active = 3, .unit_bytes = 1000}, .corruptions = 2};
  worker.imports.Add({.units = {{.source = Source::kRemote, .bytes = 7}}});
  Metrics metrics;
  AddWorkerMetrics(worker, metrics);
  const auto values = ValuesOf(ExpositionText(metrics));
  EXPECT_EQ(values.at("promptcache_worker_active_requests"), 3);
  EXPECT_EQ(values.at("promptcache_worker_unit_bytes"), 1000);
  EXPECT_EQ(values.at("promptcache_worker_corruptions_total"), 2);
  EXPECT_EQ(values.at("promptcache_worker_imported_bytes_total{tier=\"remote\"}"), 7);
  EXPECT_EQ(values.at("promptcache_worker_imported_bytes_total{tier=\"disk\"}"), 0);
}

}  // namespace
}  // namespace promptcache
