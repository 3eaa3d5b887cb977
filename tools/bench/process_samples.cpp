#include "tools/bench/process_samples.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>

namespace promptcache {
namespace {

double SlopeOf(std::span<const ProcessSample> samples,
               const std::function<double(const ProcessSample&)>& value) {
  const auto count = static_cast<double>(samples.size());
  double x = 0, y = 0;
  for (const ProcessSample& sample : samples) {
    x += sample.seconds / count;
    y += value(sample) / count;
  }
  double xx = 0, xy = 0;
  for (const ProcessSample& sample : samples) {
    xx += (sample.seconds - x) * (sample.seconds - x);
    xy += (sample.seconds - x) * (value(sample) - y);
  }
  return xx == 0 ? 0 : xy / xx;
}

}  // namespace

Result<ProcessSample> SampleProcess() {
  ProcessSample sample;
  uint64_t size_pages = 0, rss_pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> size_pages >> rss_pages)) {
    return Unavailable("cannot read /proc/self/statm");
  }
  sample.rss_bytes = rss_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error) return Unavailable("cannot read /proc/self/fd: " + error.message());
  sample.open_files = static_cast<uint64_t>(std::distance(begin(files), end(files)));
  return sample;
}

ProcessSlopes SlopesOf(const std::vector<ProcessSample>& samples) {
  const auto half = std::span(samples).subspan(samples.size() / 2);
  return {.rss_bytes_per_s = SlopeOf(
              half, [](const ProcessSample& one) { return static_cast<double>(one.rss_bytes); }),
          .files_per_s = SlopeOf(
              half, [](const ProcessSample& one) { return static_cast<double>(one.open_files); })};
}

}  // namespace promptcache
