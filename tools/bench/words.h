// Plain English words, about a token each, for texts that a benchmark makes up.
#pragma once

#include <cstdint>
#include <string>

namespace promptcache {

// Pure: one seed gives one sequence.
std::string BenchWord(uint64_t seed, uint32_t index);

}  // namespace promptcache
