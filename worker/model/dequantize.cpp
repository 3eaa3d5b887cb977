#include "worker/model/dequantize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <bit>

#include "worker/model/dequantize_blocks.h"

namespace promptcache {
namespace {

constexpr int64_t kPartElements = 4096;  // decoded at once; stays in the nearest cache
constexpr int64_t kGrainElements = 1 << 18;

// Above every number whose exponent is not that of infinities and NaNs, when added to it.
constexpr uint32_t kExponent = 0x7F800000, kLowestExponentBit = 0x00800000;
uint32_t TopBitUnlessFinite(uint32_t bits) { return (bits & kExponent) + kLowestExponentBit; }

bool AreFinite(const float* values, int64_t count) {
  uint32_t seen = 0;
  for (int64_t i = 0; i < count; ++i)
    seen |= TopBitUnlessFinite(std::bit_cast<uint32_t>(values[i]));
  return seen >> 31 == 0;
}

// Rounds to nearest, ties to even. False when a value is not finite, before or after.
bool ToBf16(const float* values, int64_t count, uint16_t* out) {
  uint32_t seen = 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    const uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
    seen |= TopBitUnlessFinite(bits) | TopBitUnlessFinite(rounded);
    out[i] = static_cast<uint16_t>(rounded >> 16);
  }
  return seen >> 31 == 0;
}

// What is decoded, and in which pieces.
struct Blocks {
  const uint8_t* bytes;
  GgufBlock block;
  BlockDecoder decode;

  void Decode(int64_t first, int64_t count, float* out) const {
    decode(bytes + first * block.bytes, count, out);
  }
};

// Blocks [begin, end) to where they belong in `out`; false when a value is not finite.
bool DecodeTo(const Blocks& blocks, int64_t begin, int64_t end, float* out) {
  float* first = out + begin * blocks.block.elements;
  blocks.Decode(begin, end - begin, first);
  return AreFinite(first, (end - begin) * blocks.block.elements);
}
bool DecodeTo(const Blocks& blocks, int64_t begin, int64_t end, uint16_t* out) {
  float part[kPartElements];
  blocks.Decode(begin, end - begin, part);
  return ToBf16(part, (end - begin) * blocks.block.elements, out + begin * blocks.block.elements);
}

template <typename Element>
bool DecodeAll(const Blocks& blocks, int64_t count, Element* out) {
  std::atomic<bool> finite = true;
  const int64_t elements = blocks.block.elements;
  at::parallel_for(0, count, kGrainElements / elements, [&](int64_t begin, int64_t end) {
    const int64_t step = kPartElements / elements;
    for (int64_t first = begin; first < end; first += step) {
      if (!DecodeTo(blocks, first, std::min(first + step, end), out)) finite = false;
    }
  });
  return finite;
}

Result<Blocks> BlocksOf(const StoredTensor& tensor) {
  const BlockDecoder decode = BlockDecoderOf(tensor.type);
  if (decode == nullptr) {
    return Unimplemented("tensor '" + tensor.name + "' is stored as " + GgufTypeName(tensor.type) +
                         ", which cannot be read");
  }
  PC_ASSIGN_OR_RETURN(const GgufBlock block, BlockOf(tensor.type));
  const auto elements = static_cast<uint64_t>(tensor.elements());
  if ((tensor.sizes.empty() ? 1 : tensor.sizes.back()) % block.elements != 0 ||
      tensor.bytes.size() != elements / block.elements * block.bytes) {
    return InvalidArgument("tensor '" + tensor.name + "': " + std::to_string(tensor.bytes.size()) +
                           " bytes do not hold " + SizesText(tensor.sizes) + " of " +
                           GgufTypeName(tensor.type));
  }
  return Blocks{tensor.bytes.data(), block, decode};
}

}  // namespace

Result<at::Tensor> Dequantize(const StoredTensor& tensor, at::ScalarType dtype) {
  PC_ASSIGN_OR_RETURN(const Blocks blocks, BlocksOf(tensor));
  at::Tensor out = at::empty(tensor.sizes, dtype);
  const int64_t count = tensor.elements() / blocks.block.elements;
  const bool finite =
      dtype == at::kFloat
          ? DecodeAll(blocks, count, out.mutable_data_ptr<float>())
          : DecodeAll(blocks, count,
                      reinterpret_cast<uint16_t*>(out.mutable_data_ptr<at::BFloat16>()));
  if (finite) return out;
  return DataLoss("tensor '" + tensor.name + "' holds values that are not finite numbers" +
                  (dtype == at::kFloat ? "" : " of bf16"));
}

}  // namespace promptcache
