// What the reports of `promptcache bench serve` have in common. Internal to tools/bench.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "tools/bench/serve_load.h"

namespace promptcache {

// 0 of nothing.
double ShareOf(uint64_t part, uint64_t whole);
// Stable names, numbers.
nlohmann::json ServeResultToJson(const ServeResult& result);

}  // namespace promptcache
