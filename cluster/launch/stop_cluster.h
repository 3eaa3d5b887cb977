// Stops the cluster of a run directory from outside: `promptcache down`.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

struct StopOptions {
  std::string run_directory;
  std::chrono::milliseconds patience{120'000};
  // Optional: the names of processes that have not ended, a few times a second.
  std::function<void(const std::vector<std::string>& left)> progress;
};

enum class StopOutcome : uint8_t {
  kStopped,
  kWasStale,  // its supervisor was gone; what it left is cleaned
};

// Asks the supervisor to stop (once, however often this is called) and waits for it: workers drain
// and store, then the coordinator ends, then the cachestore. Signals nothing but that one process,
// known by its number, its start and the lock that it holds. kNotFound when nothing was started
// there, kFailedPrecondition when it belongs to another user, kDeadlineExceeded naming what has not
// ended: it goes on stopping.
Result<StopOutcome> StopLocalCluster(const StopOptions& options);

}  // namespace promptcache
