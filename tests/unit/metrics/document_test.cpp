// cluster/METRICS.md lists what the processes measure: exactly that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include "cachestore/service/store_metrics.h"
#include "cluster/monitor/reactor_monitor.h"
#include "common/metrics/process_metrics.h"
#include "coordinator/coordinator_metrics.h"
#include "worker/metrics/worker_metrics.h"

namespace promptcache {
namespace {

std::string_view KindName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      return "histogram";
  }
  return "";
}

Metrics EverythingMeasured() {
  Metrics metrics;
  AddCoordinatorMetrics({}, metrics);
  AddWorkerMetrics({}, metrics);
  AddStoreMetrics({}, metrics);
  AddStoreStreamMetrics({}, metrics);
  AddStoreLinkMetrics({}, metrics);
  AddTransportMetrics({}, metrics);
  AddProcessMetrics(0, metrics);
  return metrics;
}

std::string RowOf(const MetricFamily& family) {
  const std::string label =
      family.label.empty() ? std::string() : "`" + std::string(family.label) + "`";
  return "| `" + std::string(family.name) + "` | " + std::string(KindName(family.kind)) + " | " +
         label + " | " + std::string(family.meaning) + " |";
}

TEST(MetricsDocument, ListsEveryFamilyAndNoOther) {
  std::ifstream file(std::string(PROMPTCACHE_SOURCE_DIR) + "/cluster/METRICS.md");
  std::vector<std::string> documented;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("| `promptcache_")) documented.push_back(line);
  }
  std::vector<std::string> measured;
  for (const MetricSeries& series : EverythingMeasured()) {
    measured.push_back(RowOf(series.family()));
  }
  EXPECT_THAT(documented, ::testing::ElementsAreArray(measured));
}

TEST(MetricNames, FollowTheConventionsOfPrometheus) {
  const std::regex name("promptcache_[a-z0-9_]+");
  std::vector<std::string_view> names;
  for (const MetricSeries& series : EverythingMeasured()) {
    const MetricFamily& family = series.family();
    EXPECT_TRUE(std::regex_match(std::string(family.name), name)) << family.name;
    EXPECT_EQ(family.name.ends_with("_total"), family.kind == MetricKind::kCounter) << family.name;
    EXPECT_TRUE(family.meaning.ends_with(".")) << family.name;
    names.push_back(family.name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "a name twice";
}

}  // namespace
}  // namespace promptcache
