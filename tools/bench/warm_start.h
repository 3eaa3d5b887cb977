// What the loss of a worker costs the next request: time to first token with units from the store,
// by that with units in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "cluster/wire/messages.h"
#include "common/status.h"
#include "tools/bench/load_path.h"
#include "tools/bench/series.h"
#include "tools/engine/embedded.h"

namespace promptcache {

struct WarmStartWork {
  SchemaAdd schema;
  std::string prompt;
  uint32_t iterations = 5;
};

// Milliseconds as the client saw them, from submitting to the first token.
struct WarmStart {
  Series warm;
  Series disk;         // by a worker that has just taken the place of another
  Series bytes_per_s;  // of one reader of these units through the store's service, all verified
  uint64_t bytes = 0;  // of all units
  uint32_t units = 0;
  uint32_t cached_tokens = 0;

  // The larger of 1.3 x warm and warm + 1.2 x the time that the bytes take at that bandwidth.
  double bar_ms() const {
    const double bandwidth = bytes_per_s.median();
    const double reading = bandwidth > 0 ? 1000 * static_cast<double>(bytes) / bandwidth : 0;
    return std::max(1.3 * warm.median(), warm.median() + 1.2 * reading);
  }
};

// `system` has a store and room for the units. kInternal when a unit did not come from where the
// case says.
Result<WarmStart> MeasureWarmStart(EmbeddedSystem& system, const WarmStartWork& work,
                                   const BenchProgress& progress);

}  // namespace promptcache
