// What a process measures, as plain values: families of counters, gauges and histograms. They are
// read at scrape time from what the process counts anyway; nothing here is on a hot path.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace promptcache {

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

// Values under one name. Names begin with promptcache_ and end with their unit; cluster/METRICS.md
// lists them.
struct MetricFamily {
  std::string_view name;
  MetricKind kind = MetricKind::kGauge;
  std::string_view label;  // by what values are told apart; empty: there is one value
  std::string_view meaning;
};

// From a millisecond to ten minutes.
inline constexpr double kSecondsBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                            0.5,   1,      2.5,   5,    10,    30,   60,  600};
// From a microsecond to a tenth of a second.
inline constexpr double kShortSecondsBounds[] = {1e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4,
                                                 2e-4, 5e-4, 1e-3, 5e-3,   0.02, 0.1};

// Counts values by ranges. Not thread safe.
class Histogram {
 public:
  // Upper bounds, each in its range, ascending; they outlive the histogram.
  explicit Histogram(std::span<const double> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}

  void Observe(double value);
  std::span<const double> bounds() const { return bounds_; }
  // One more than bounds: the last is of what lies beyond.
  const std::vector<uint64_t>& counts() const { return counts_; }
  uint64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  double sum_ = 0;
};

// The values of one family.
class MetricSeries {
 public:
  struct Sample {
    std::string label;
    double value = 0;
  };

  explicit MetricSeries(const MetricFamily& family) : family_(family) {}

  void Add(double value) { samples_.push_back({{}, value}); }
  void Add(std::string_view label, double value) {
    samples_.push_back({std::string(label), value});
  }
  void Add(const Histogram& histogram) { histograms_.push_back(histogram); }

  const MetricFamily& family() const { return family_; }
  const std::vector<Sample>& samples() const { return samples_; }
  const std::vector<Histogram>& histograms() const { return histograms_; }

 private:
  MetricFamily family_;
  std::vector<Sample> samples_;
  std::vector<Histogram> histograms_;
};
using Metrics = std::vector<MetricSeries>;

// One line of a table of metrics: a family, and where its values come from.
template <typename Source>
struct MetricRow {
  MetricFamily family;
  void (*read)(const Source&, MetricSeries&);
};

// Every family of the table is added, also one without values now.
template <typename Source, size_t kRows>
void ReadMetrics(const MetricRow<Source> (&table)[kRows], const Source& source, Metrics& metrics) {
  for (const MetricRow<Source>& row : table) {
    row.read(source, metrics.emplace_back(row.family));
  }
}

// What a process tells of itself when it is asked.
struct ProcessReport {
  Metrics metrics;
  Status ready;  // why it cannot do its work now
};

}  // namespace promptcache
