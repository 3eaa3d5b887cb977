// What `promptcache bench serve` takes, whatever its workers run.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

#include "tools/bench/serve_bench.h"

namespace promptcache {

struct ServeFlags {
  ServeSetup setup;               // but its limits
  uint32_t default_seconds = 10;  // of each measurement
  uint64_t requests = 0;          // 0: not given
  uint32_t seconds = 0;           // 0: not given
  bool json = false;

  ServeLimits limits() const;
};

// --clients, --zipf, --schemas, --references, --words, --tokens, --seed, --workers, --links,
// --requests, --seconds, --json. What `flags` says are the defaults.
void AddServeFlags(CLI::App& command, ServeFlags& flags);

}  // namespace promptcache
