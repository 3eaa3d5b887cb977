#include "common/metrics/exposition.h"

#include <prometheus/text_serializer.h>

#include <limits>

namespace promptcache {
namespace {

prometheus::MetricType TypeOf(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric MetricOf(const MetricFamily& family, const MetricSeries::Sample& sample) {
  prometheus::ClientMetric metric;
  if (!family.label.empty()) metric.label = {{std::string(family.label), sample.label}};
  if (family.kind == MetricKind::kCounter) {
    metric.counter.value = sample.value;
  } else {
    metric.gauge.value = sample.value;
  }
  return metric;
}

prometheus::ClientMetric MetricOf(const Histogram& histogram) {
  prometheus::ClientMetric metric;
  metric.histogram.sample_count = histogram.count();
  metric.histogram.sample_sum = histogram.sum();
  uint64_t so_far = 0;
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    const bool beyond = i == histogram.bounds().size();
    so_far += histogram.counts()[i];
    metric.histogram.bucket.push_back(
        {.cumulative_count = so_far,
         .upper_bound = beyond ? std::numeric_limits<double>::infinity() : histogram.bounds()[i]});
  }
  return metric;
}

}  // namespace

std::string ExpositionText(const Metrics& metrics) {
  std::vector<prometheus::MetricFamily> families;
  for (const MetricSeries& series : metrics) {
    const MetricFamily& family = series.family();
    prometheus::MetricFamily& out = families.emplace_back();
    out.name = family.name;
    out.help = family.meaning;
    out.type = TypeOf(family.kind);
    for (const auto& sample : series.samples()) out.metric.push_back(MetricOf(family, sample));
    for (const auto& histogram : series.histograms()) out.metric.push_back(MetricOf(histogram));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace promptcache
