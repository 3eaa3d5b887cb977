// Lossless compression of tensors: the first byte of every element, then the second of every one,
// and so on, each plane compressed by itself. Signs and exponents of neighbours are alike, the low
// bits of their mantissas are noise.
//
//   length of each plane's data (8 bytes each) | data of plane 0 | data of plane 1 | ...
//
// A plane whose data is as long as itself is stored as it is. Pure and thread safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/status.h"

namespace promptcache {

// No more bytes than this come of `bytes`. `width`: bytes of an element.
constexpr uint64_t MaxPackedBytes(uint64_t bytes, size_t width) { return bytes + 8 * width; }
// And no fewer: at best, zstd says 128 KiB in 4 bytes.
constexpr uint64_t MinPackedBytes(uint64_t bytes) { return bytes / (32 << 10) + 1; }

// REQUIRES: width is 1, 2 or 4.
Result<std::vector<uint8_t>> PackBytePlanes(std::span<const uint8_t> bytes, size_t width);

// Fills `out`. kDataLoss unless `packed` is what PackBytePlanes makes of bytes of that length and
// width; hostile bytes are safe. REQUIRES: width is 1, 2 or 4.
Status UnpackBytePlanes(std::span<const uint8_t> packed, size_t width, std::span<uint8_t> out);

}  // namespace promptcache
