// What the reports of `promptcache bench serve` have in common. Internal to tools/bench.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tools/bench/serve_load.h"

namespace promptcache {

// 0 of nothing.
double ShareOf(uint64_t part, uint64_t whole);
// Stable names, numbers.
nlohmann::json ServeResultToJson(const ServeResult& result);
// Lines that say what failed first, and what the host took of the machine where that was much;
// empty when there is nothing to say.
std::string NotesOf(std::initializer_list<const ServeResult*> results);

}  // namespace promptcache
