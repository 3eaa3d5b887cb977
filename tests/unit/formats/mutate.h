// Damages files, the same way for the same seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace promptcache::testing {

// The file with one to four changes in its first `header` bytes: bits and bytes, numbers that are
// as large or small as can be, parts left out, repeated, moved or cut off, pieces of JSON.
std::vector<uint8_t> Mutate(std::span<const uint8_t> file, size_t header, uint64_t seed);

}  // namespace promptcache::testing
