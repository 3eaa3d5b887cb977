#include "tools/bench/series.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

namespace promptcache {
namespace {

std::vector<double> Sorted(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples;
}

}  // namespace

double Series::median() const {
  if (samples.empty()) return 0;
  const std::vector<double> sorted = Sorted(samples);
  const size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Series::mean() const {
  if (samples.empty()) return 0;
  return std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
}

double Series::percentile(size_t percent) const {
  if (samples.empty()) return 0;
  const size_t rank = (samples.size() * percent + 99) / 100;
  return Sorted(samples)[std::max<size_t>(rank, 1) - 1];
}

double Series::minimum() const {
  return samples.empty() ? 0 : *std::min_element(samples.begin(), samples.end());
}

double Series::maximum() const {
  return samples.empty() ? 0 : *std::max_element(samples.begin(), samples.end());
}

void AddSeries(nlohmann::json& json, const std::string& name, const Series& series) {
  json[name] = series.median();
  json[name + "_min"] = series.minimum();
  json[name + "_max"] = series.maximum();
}

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

}  // namespace promptcache
