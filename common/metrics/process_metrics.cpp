#include "common/metrics/process_metrics.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/version.h"

namespace promptcache {
namespace {

struct ProcessState {
  double started = 0;
  double resident_bytes = 0;
  double open_files = 0;
};

ProcessState StateOf(double started) {
  ProcessState state{.started = started};
  uint64_t pages = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  state.resident_bytes = static_cast<double>(resident) * static_cast<double>(::getpagesize());
  std::error_code error;
  using Entries = std::filesystem::directory_iterator;
  for (Entries entry("/proc/self/fd", error); !error && entry != Entries();
       entry.increment(error)) {
    ++state.open_files;
  }
  return state;
}

constexpr MetricRow<ProcessState> kTable[] = {
    {{"promptcache_build_info", MetricKind::kGauge, "version", "1, with the version that runs."},
     [](const ProcessState&, MetricSeries& series) { series.Add(kVersion, 1); }},
    {{"promptcache_start_time_seconds", MetricKind::kGauge, "",
      "When the process began to serve, since 1970."},
     [](const ProcessState& state, MetricSeries& series) { series.Add(state.started); }},
    {{"promptcache_resident_memory_bytes", MetricKind::kGauge, "", "Memory of the process."},
     [](const ProcessState& state, MetricSeries& series) { series.Add(state.resident_bytes); }},
    {{"promptcache_open_files", MetricKind::kGauge, "", "File descriptors of the process."},
     [](const ProcessState& state, MetricSeries& series) { series.Add(state.open_files); }},
};

}  // namespace

void AddProcessMetrics(double started, Metrics& metrics) {
  ReadMetrics(kTable, StateOf(started), metrics);
}

}  // namespace promptcache
