// What a process holds, second by second, and whether it grows.
#pragma once

#include <cstdint>
#include <vector>

#include "common/status.h"

namespace promptcache {

struct ProcessSample {
  double seconds = 0;  // since the first one
  uint64_t rss_bytes = 0;
  uint64_t open_files = 0;
};

// Of this process now, without `seconds`. kUnavailable where /proc does not say.
Result<ProcessSample> SampleProcess();

struct ProcessSlopes {
  double rss_bytes_per_s = 0;
  double files_per_s = 0;
};

// The straight lines, by least squares, through the second half of the samples. Zero for less than
// two of them.
ProcessSlopes SlopesOf(const std::vector<ProcessSample>& samples);

}  // namespace promptcache
