// Blobs of any size whose bytes nothing can compress.
#pragma once

#include <cstdint>
#include <vector>

#include "common/types.h"

namespace promptcache {

struct BenchBlob {
  UnitKey key;
  std::vector<uint8_t> bytes;  // a whole, valid blob
};

// Of `bytes` and a little more, at least 8 KiB. Other seeds, other keys and bytes.
BenchBlob MakeBenchBlob(uint32_t seed, uint64_t bytes);

}  // namespace promptcache
