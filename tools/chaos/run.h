// A run: a quiet cluster, trouble, and what is left when the trouble is over.
#pragma once

#include <functional>
#include <string>

#include "common/status.h"
#include "tools/chaos/engine_choice.h"
#include "tools/chaos/report.h"
#include "tools/chaos/sandbox.h"

namespace promptcache::chaos {

struct RunOptions {
  uint64_t seed = 0;
  std::chrono::seconds time{60};  // of trouble
  milliseconds pause{300};        // between two faults, on average
  std::string bin_directory;
  std::string directory;  // for logs, history and stores; exists
  EngineChoice engine;
  NetworkUse network = NetworkUse::kLoopback;
  Status sandbox;  // of EnterSandbox, for this network; without it, loopback and no small disks
  std::function<bool()> stop_requested;  // kCancelled
  std::function<void(const std::string&)> progress;
};

// An error: the cluster did not even work before the trouble.
Result<ChaosReport> RunChaos(const RunOptions& options);

}  // namespace promptcache::chaos
