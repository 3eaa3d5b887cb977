// What reuse is worth under load: the same prompts to workers with a model, with reuse and without.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/status.h"
#include "common/types.h"
#include "tools/bench/serve_bench.h"

namespace promptcache {

struct ReuseBenchReport {
  std::string cpu;
  uint32_t cores = 0;
  ServeSetup setup;
  Identity identity;  // of the workers
  ServeResult reuse;  // every module was encoded before
  ServeResult full;   // nothing is reused: Submit::reuse is kFull
};

// Starts everything in this process, encodes every module once, and measures a closed loop twice,
// both times from the first prompt on. Errors name the part that failed; kInternal when a module
// could not be encoded.
Result<ReuseBenchReport> MeasureReuse(const ServeSetup& setup, const ServeBenchProgress& progress);

nlohmann::json ReuseBenchToJson(const ReuseBenchReport& report);
std::string RenderReuseBench(const ReuseBenchReport& report);

}  // namespace promptcache
