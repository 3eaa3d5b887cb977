// Repeated measurements of one thing.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace promptcache {

// In the order they were measured; the owner says in what unit.
struct Series {
  std::vector<double> samples;

  // All 0 without samples.
  double median() const;
  double mean() const;
  double p99() const { return percentile(99); }
  double percentile(size_t percent) const;  // the smallest sample that so many of 100 do not exceed
  double minimum() const;
  double maximum() const;
};

// Adds how long `work` took, in units of `Period`; gives what it gave.
template <typename Period, typename Work>
auto Timed(Series& series, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  auto result = work();
  const std::chrono::duration<double, Period> elapsed = std::chrono::steady_clock::now() - start;
  series.samples.push_back(elapsed.count());
  return result;
}

// Sets `name` to the median, and NAME_min and NAME_max.
void AddSeries(nlohmann::json& json, const std::string& name, const Series& series);

// "model name : ..." of the first processor; empty where the system does not say.
std::string CpuName();

}  // namespace promptcache
