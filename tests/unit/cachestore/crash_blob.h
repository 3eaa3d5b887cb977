// The blobs of the crash test, the same in both of its processes.
#pragma once

#include "tests/unit/cachestore/sample_blob.h"

namespace promptcache::testing {

// Blobs of seeds from here on are begun and never committed.
inline constexpr uint32_t kNeverCommitted = 1'000'000;

// By turns one that fits into a chunk and one of several.
inline SampleBlob CrashBlob(uint32_t seed) {
  if (seed % 2 == 0) return MakeSampleBlob({.seed = seed});
  return MakeLargeBlob(seed, 2 << 20);
}

}  // namespace promptcache::testing
