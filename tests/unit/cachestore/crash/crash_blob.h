// The blobs of the crash tests, the same in all of their processes.
#pragma once

#include "tests/unit/cachestore/sample_blob.h"

namespace promptcache::testing {

// By turns one that fits into a chunk and one of several.
inline SampleBlob CrashBlob(uint32_t seed) {
  if (seed % 2 == 0) return MakeSampleBlob({.seed = seed});
  return MakeLargeBlob(seed, (1 << 20) + 8192);
}

// Those that are there before a script begins are 0 to kPrepared - 1: 0 and 1 are of schema "a", 2
// of "a" and "b", 3 of "b" for an hour, 4 is pinned, 5 has no reference.
inline constexpr uint32_t kPrepared = 6;

}  // namespace promptcache::testing
