// The 16-bit float types of tensors, to fp32 and back, rounded to the nearest and to even in the
// middle. Without branches on values where loops over many should become vector instructions.
#pragma once

#include <bit>
#include <cstdint>

namespace promptcache {

inline float FloatOfBfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// REQUIRES: finite.
inline uint16_t Bfloat16OfFloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

inline float FloatOfFloat16(uint16_t bits) {
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFF) << 13;
  // 2^112 is the distance of the exponents' zeros; it also makes subnormal numbers right.
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t special = (bits & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | sign);
}

// REQUIRES: finite. Beyond the largest number: infinite.
inline uint16_t Float16OfFloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  // Adding 0.5 puts the last bit of a subnormal number at the end of the mantissa.
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000;
  const uint32_t normal = (magnitude + 0xFFF + (magnitude >> 13 & 1) - 0x38000000) >> 13;
  const uint32_t rounded = magnitude < 0x38800000 ? subnormal : normal;
  const uint32_t limited = magnitude >= 0x477FF000 ? 0x7C00 : rounded;
  return static_cast<uint16_t>(limited | (bits >> 16 & 0x8000));
}

}  // namespace promptcache
