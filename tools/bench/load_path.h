// How a worker gets one unit that it does not hold: loaded, encoded, and as it chooses, over a
// sweep of sizes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "tools/bench/series.h"
#include "tools/engine/embedded.h"

namespace promptcache {

using BenchProgress = std::function<void(const std::string& line)>;

struct LoadPathOptions {
  std::vector<uint32_t> tokens = {16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  uint32_t iterations = 3;
  uint64_t seed = 1;
};

// One size. Milliseconds from asking for the unit until all of it is in memory, as the worker saw
// them.
struct LoadPathSize {
  uint32_t tokens = 0;
  uint64_t bytes = 0;
  Series load;
  Series encode;
  Series choice;
  uint32_t loads = 0;  // of `choice`, those that were loaded

  bool mostly_loads() const { return 2 * loads >= choice.samples.size(); }
  // What the way that was mostly chosen takes, by the better of the two. Both from the runs in
  // which there was no choice: so the same way has the same time.
  double ratio() const {
    const double better = std::min(load.median(), encode.median());
    return better > 0 ? (mostly_loads() ? load : encode).median() / better : 0;
  }
};

// `system` keeps no unit in memory (unit_cache_bytes 1) and has a store. Each iteration is the life
// of a worker that knows nothing: it loads units of each size that are stored, encodes some that
// are not, and then gets those by its own choice. kInternal when a unit did not come from where
// that says.
Result<std::vector<LoadPathSize>> MeasureLoadPath(EmbeddedSystem& system,
                                                  const LoadPathOptions& options,
                                                  const BenchProgress& progress);

}  // namespace promptcache
