// Counter-based random numbers: a value is a pure function of (seed, sequence, step), so sampling
// gives the same answer whatever else runs, in whatever order.
#pragma once

#include <array>
#include <cstdint>

namespace promptcache {

// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1) with 53 random bits.
double UniformAt(uint64_t seed, uint32_t sequence, uint32_t step);

}  // namespace promptcache
