// Time to first token of the same work done five ways, on the embedded system.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/status.h"
#include "tools/bench/series.h"
#include "tools/bench/ttft_workload.h"
#include "tools/engine/embedded.h"

namespace promptcache {

struct TtftOptions {
  WorkloadShape shape;
  uint32_t iterations = 5;
  uint32_t tiny_units = 300;  // 0: leave that case out
  uint64_t seed = 1;
};

struct TtftReport {
  TtftOptions options;
  Identity identity;
  // Milliseconds as the client saw them, from submitting to the first token.
  Series full;       // --no-cache: nothing reused
  Series cold;       // modules encoded for the first time
  Series warm;       // modules in the worker's memory
  Series disk;       // modules loaded by a fresh worker, store's files in the page cache
  Series disk_cold;  // the same after dropping the page cache
  Series control;    // as many tokens, none of them cached
  Series decode;     // a token of the answer after the first, behind modules in memory
  Series tiny_full;  // hundreds of one-token units and runs
  Series tiny_warm;
  uint32_t tiny_tokens = 0;
};

// Runs every case once unmeasured, then `iterations` times, each with text never seen before,
// checking in each run that units came from where the case says (kInternal otherwise). `progress`
// gets a line after each step.
Result<TtftReport> MeasureTtft(EmbeddedSystem& system, const TtftOptions& options,
                               const std::function<void(const std::string&)>& progress);

// full_ms, full_ms_min, full_ms_max, cold_ms, ..., warm_speedup: stable names, numbers.
nlohmann::json TtftToJson(const TtftReport& report);
std::string RenderTtft(const TtftReport& report);

}  // namespace promptcache
