#include "worker/model/dequantize_blocks.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cstring>

namespace promptcache {
namespace {

// Below, q is what is stored of an element, d a scale and m a minimum, both fp16 unless said.

float HalfAt(const uint8_t* bytes) {
  c10::Half half;
  std::memcpy(&half.x, bytes, sizeof(half.x));
  return static_cast<float>(half);
}

void DecodeF32(const uint8_t* bytes, int64_t blocks, float* out) {
  std::memcpy(out, bytes, blocks * sizeof(float));
}

void DecodeF16(const uint8_t* bytes, int64_t blocks, float* out) {
  for (int64_t i = 0; i < blocks; ++i) out[i] = HalfAt(bytes + 2 * i);
}

void DecodeBf16(const uint8_t* bytes, int64_t blocks, float* out) {
  for (int64_t i = 0; i < blocks; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof(bits));
    out[i] = c10::detail::f32_from_bits(bits);
  }
}

// ---- blocks of 32: the low halves of 16 bytes are elements 0..15, the high ones 16..31 ----

// d, 16 bytes; x = d (q - 8).
void DecodeQ4_0(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 18, out += 32) {
    const float d = HalfAt(bytes);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((bytes[2 + i] & 15) - 8);
      out[16 + i] = d * static_cast<float>((bytes[2 + i] >> 4) - 8);
    }
  }
}

// d, m, 16 bytes; x = d q + m.
void DecodeQ4_1(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 20, out += 32) {
    const float d = HalfAt(bytes), m = HalfAt(bytes + 2);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(bytes[4 + i] & 15) + m;
      out[16 + i] = d * static_cast<float>(bytes[4 + i] >> 4) + m;
    }
  }
}

// q of the types with five bits: bit i of the word at `high` is the fifth of element i.
void UnpackFiveBits(const uint8_t* high, const uint8_t* low, int* q) {
  uint32_t fifth;
  std::memcpy(&fifth, high, sizeof(fifth));
  for (uint32_t i = 0; i < 16; ++i) {
    q[i] = static_cast<int>((low[i] & 15u) | (fifth >> i & 1) << 4);
    q[16 + i] = static_cast<int>((low[i] >> 4u) | (fifth >> (16 + i) & 1) << 4);
  }
}

// d, a word of fifth bits, 16 bytes; x = d (q - 16).
void DecodeQ5_0(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 22, out += 32) {
    int q[32];
    UnpackFiveBits(bytes + 2, bytes + 6, q);
    const float d = HalfAt(bytes);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] - 16);
  }
}

// d, m, a word of fifth bits, 16 bytes; x = d q + m.
void DecodeQ5_1(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 24, out += 32) {
    int q[32];
    UnpackFiveBits(bytes + 4, bytes + 8, q);
    const float d = HalfAt(bytes), m = HalfAt(bytes + 2);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]) + m;
  }
}

// d, 32 signed bytes; x = d q.
void DecodeQ8_0(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 34, out += 32) {
    const float d = HalfAt(bytes);
    for (int i = 0; i < 32; ++i) {
      out[i] = d * static_cast<float>(static_cast<int8_t>(bytes[2 + i]));
    }
  }
}

// ---- blocks of 256 in sub-blocks of 16 or 32 with small integers s and t as scale and minimum
// ----

// Bits `shift` and up of each byte, under `mask`, as q; x = d q - m.
void ScaleBits(const uint8_t* bytes, int count, int shift, int mask, float d, float m, float* out) {
  for (int i = 0; i < count; ++i) out[i] = d * static_cast<float>(bytes[i] >> shift & mask) - m;
}

// 16 bytes with s (low half) and t (high half) of the sub-blocks, 64 bytes of two bits each, d, m;
// x = d s q - m t. 32 bytes hold 128 elements: those of sub-blocks 2 j and 2 j + 1 in bits 2 j.
void DecodeQ2_K(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 84, out += 256) {
    const float d = HalfAt(bytes + 80), m = HalfAt(bytes + 82);
    for (int sub = 0; sub < 16; ++sub) {
      const uint8_t* q = bytes + 16 + 32 * (sub / 8) + 16 * (sub % 2);
      ScaleBits(q, 16, sub % 8 / 2 * 2, 3, d * static_cast<float>(bytes[sub] & 15),
                m * static_cast<float>(bytes[sub] >> 4), out + 16 * sub);
    }
  }
}

// 32 bytes of third bits (bit j of byte l: element 32 j + l), 64 bytes of two bits as Q2_K, 12
// bytes with six-bit s of 16 sub-blocks, d; x = d (s - 32) (q - 4).
void DecodeQ3_K(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 110, out += 256) {
    const uint8_t* scales = bytes + 96;
    const float d = HalfAt(bytes + 108);
    for (int sub = 0; sub < 16; ++sub) {
      const int low = sub < 8 ? scales[sub] & 15 : scales[sub - 8] >> 4;
      const int high = scales[8 + sub % 4] >> (2 * (sub / 4)) & 3;
      const float scale = d * static_cast<float>((low | high << 4) - 32);
      const uint8_t* third = bytes + 16 * (sub % 2);
      const uint8_t* q = bytes + 32 + 32 * (sub / 8) + 16 * (sub % 2);
      const int shift = sub % 8 / 2 * 2, bit = sub / 2;
      for (int i = 0; i < 16; ++i) {
        const int value = (q[i] >> shift & 3) | (third[i] >> bit & 1) << 2;
        out[16 * sub + i] = scale * static_cast<float>(value - 4);
      }
    }
  }
}

// Six-bit s and t of 8 sub-blocks in 12 bytes, scaled.
struct SubScales {
  float scale[8];
  float minimum[8];
};
SubScales SubScalesAt(const uint8_t* bytes, float d, float m) {
  SubScales out;
  for (int i = 0; i < 4; ++i) {
    const uint8_t s = bytes[i], t = bytes[4 + i], rest = bytes[8 + i];
    out.scale[i] = d * static_cast<float>(s & 63);
    out.minimum[i] = m * static_cast<float>(t & 63);
    out.scale[4 + i] = d * static_cast<float>((rest & 15) | s >> 6 << 4);
    out.minimum[4 + i] = m * static_cast<float>(rest >> 4 | t >> 6 << 4);
  }
  return out;
}

// d, m, 12 bytes of s and t, 128 bytes; x = d s q - m t. 32 bytes hold two sub-blocks of 32: low
// halves, then high ones.
void DecodeQ4_K(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 144, out += 256) {
    const SubScales sub = SubScalesAt(bytes + 4, HalfAt(bytes), HalfAt(bytes + 2));
    for (int i = 0; i < 8; ++i) {
      ScaleBits(bytes + 16 + 32 * (i / 2), 32, 4 * (i % 2), 15, sub.scale[i], sub.minimum[i],
                out + 32 * i);
    }
  }
}

// As Q4_K with 32 bytes of fifth bits (bit j of byte l: element 32 j + l) before the 128.
void DecodeQ5_K(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 176, out += 256) {
    const SubScales sub = SubScalesAt(bytes + 4, HalfAt(bytes), HalfAt(bytes + 2));
    const uint8_t* fifth = bytes + 16;
    for (int i = 0; i < 8; ++i) {
      const uint8_t* low = bytes + 48 + 32 * (i / 2);
      const int shift = 4 * (i % 2);
      for (int l = 0; l < 32; ++l) {
        const int q = (low[l] >> shift & 15) | (fifth[l] >> i & 1) << 4;
        out[32 * i + l] = sub.scale[i] * static_cast<float>(q) - sub.minimum[i];
      }
    }
  }
}

// 128 bytes of low halves, 64 bytes of two high bits, signed bytes s of 16 sub-blocks, d;
// x = d s (q - 32). 128 elements are four rows of 32: low halves of 64 bytes, then their high
// halves; row j has its high bits at 2 j of 32 bytes.
void DecodeQ6_K(const uint8_t* bytes, int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, bytes += 210, out += 256) {
    const float d = HalfAt(bytes + 208);
    for (int row = 0; row < 8; ++row) {
      const int half = row / 4, j = row % 4;
      const uint8_t* low = bytes + 64 * half + 32 * (j % 2);
      const uint8_t* high = bytes + 128 + 32 * half;
      for (int l = 0; l < 32; ++l) {
        const auto s = static_cast<float>(static_cast<int8_t>(bytes[192 + 2 * row + l / 16]));
        const int q = (low[l] >> (j / 2 * 4) & 15) | (high[l] >> (2 * j) & 3) << 4;
        out[32 * row + l] = d * s * static_cast<float>(q - 32);
      }
    }
  }
}

struct TypeDecoder {
  GgufTensorType type;
  BlockDecoder decode;
};
constexpr TypeDecoder kDecoders[] = {
    {GgufTensorType::kF32, DecodeF32},   {GgufTensorType::kF16, DecodeF16},
    {GgufTensorType::kBF16, DecodeBf16}, {GgufTensorType::kQ4_0, DecodeQ4_0},
    {GgufTensorType::kQ4_1, DecodeQ4_1}, {GgufTensorType::kQ5_0, DecodeQ5_0},
    {GgufTensorType::kQ5_1, DecodeQ5_1}, {GgufTensorType::kQ8_0, DecodeQ8_0},
    {GgufTensorType::kQ2_K, DecodeQ2_K}, {GgufTensorType::kQ3_K, DecodeQ3_K},
    {GgufTensorType::kQ4_K, DecodeQ4_K}, {GgufTensorType::kQ5_K, DecodeQ5_K},
    {GgufTensorType::kQ6_K, DecodeQ6_K}};

}  // namespace

BlockDecoder BlockDecoderOf(GgufTensorType type) {
  const auto* found = std::find_if(std::begin(kDecoders), std::end(kDecoders),
                                   [&](const TypeDecoder& entry) { return entry.type == type; });
  return found == std::end(kDecoders) ? nullptr : found->decode;
}

}  // namespace promptcache
