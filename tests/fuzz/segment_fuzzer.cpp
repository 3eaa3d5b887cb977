// Segments as they are decoded. The first byte chooses: below 128 byte planes, whose elements have
// a width of 1, 2 or 4 bytes, of a length that the next two bytes say; else an int8 layer of a type
// and shape that they say.
#include <algorithm>
#include <cstdlib>
#include <span>
#include <vector>

#include "cachestore/format/byte_planes.h"
#include "cachestore/format/int8_layout.h"
#include "tests/fuzz/fuzzer.h"

namespace {

using namespace promptcache;
using Bytes = std::span<const uint8_t>;

void Require(bool condition) {
  if (!condition) std::abort();
}

void FuzzPlanes(size_t width, size_t length, Bytes packed) {
  std::vector<uint8_t> bytes(length);
  if (!UnpackBytePlanes(packed, width, bytes).ok()) return;
  const auto again = PackBytePlanes(bytes, width);
  Require(again.ok() && again->size() <= MaxPackedBytes(length, width));
  std::vector<uint8_t> same(length);
  Require(UnpackBytePlanes(*again, width, same).ok() && same == bytes);
}

// The input is the segment, cut or filled with 1 to the length that fits.
void FuzzInt8(BlobDtype dtype, const BlobShape& shape, Bytes bytes) {
  std::vector<uint8_t> segment(*Int8SegmentBytes(dtype, shape), 1);
  std::copy_n(bytes.begin(), std::min(bytes.size(), segment.size()), segment.begin());
  std::vector<uint8_t> layer(*BlobSegmentBytes(dtype, shape));
  if (!DequantizeLayer(dtype, shape, segment, layer).ok()) return;
  // Fails where a large scale made an infinite number.
  (void)QuantizeLayer(dtype, shape, layer, segment);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const Bytes rest(data + 3, size - 3);
  if (data[0] < 128) {
    FuzzPlanes(size_t{1} << data[0] % 3, data[1] + 256 * size_t{data[2]}, rest);
  } else {
    FuzzInt8(static_cast<BlobDtype>(1 + data[0] % 3),
             {.layers = 1,
              .kv_heads = 1 + data[1] % 4u,
              .tokens = 1 + data[2] % 16u,
              .head_dim = 1 + data[2] / 16u},
             rest);
  }
  return 0;
}
