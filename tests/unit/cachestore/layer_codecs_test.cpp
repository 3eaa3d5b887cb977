// The pieces a segment is made with: byte planes, int8, 16-bit floats.
#include <gtest/gtest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "cachestore/format/byte_planes.h"
#include "cachestore/format/half.h"
#include "cachestore/format/int8_layout.h"

namespace promptcache {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr BlobDtype kDtypes[] = {BlobDtype::kFloat32, BlobDtype::kBfloat16, BlobDtype::kFloat16};

uint32_t BitsOf(BlobDtype dtype, float value) {
  switch (dtype) {
    case BlobDtype::kBfloat16:
      return Bfloat16OfFloat(value);
    case BlobDtype::kFloat16:
      return Float16OfFloat(value);
    default:
      return std::bit_cast<uint32_t>(value);
  }
}

Bytes BytesOf(BlobDtype dtype, const std::vector<float>& values) {
  const size_t width = BlobDtypeBytes(dtype);
  Bytes bytes(values.size() * width);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t bits = BitsOf(dtype, values[i]);
    std::memcpy(&bytes[i * width], &bits, width);
  }
  return bytes;
}

std::vector<float> FloatsOf(BlobDtype dtype, const Bytes& bytes) {
  const size_t width = BlobDtypeBytes(dtype);
  std::vector<float> values;
  for (size_t at = 0; at < bytes.size(); at += width) {
    uint32_t bits = 0;
    std::memcpy(&bits, &bytes[at], width);
    values.push_back(dtype == BlobDtype::kFloat32    ? std::bit_cast<float>(bits)
                     : dtype == BlobDtype::kBfloat16 ? FloatOfBfloat16(static_cast<uint16_t>(bits))
                                                     : FloatOfFloat16(static_cast<uint16_t>(bits)));
  }
  return values;
}

std::vector<float> NormalFloats(size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

TEST(Half, EveryFiniteNumberSurvivesBothWays) {
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    if (std::isfinite(FloatOfFloat16(bits))) {
      EXPECT_EQ(Float16OfFloat(FloatOfFloat16(bits)), bits);
    }
    if (std::isfinite(FloatOfBfloat16(bits))) {
      EXPECT_EQ(Bfloat16OfFloat(FloatOfBfloat16(bits)), bits);
    }
  }
}

TEST(Half, KnownNumbers) {
  EXPECT_EQ(FloatOfFloat16(0x3C00), 1.0F);
  EXPECT_EQ(FloatOfFloat16(0xC000), -2.0F);
  EXPECT_EQ(FloatOfFloat16(0x7BFF), 65504.0F);
  EXPECT_EQ(FloatOfFloat16(0x0001), 0x1p-24F);
  EXPECT_EQ(FloatOfFloat16(0x7C00), INFINITY);
  EXPECT_TRUE(std::isnan(FloatOfFloat16(0x7E00)));
  EXPECT_EQ(FloatOfBfloat16(0x4049), 3.140625F);
}

TEST(Half, RoundsToTheNearestAndInTheMiddleToEven) {
  EXPECT_EQ(Float16OfFloat(1 + 0x1p-11F), 0x3C00);
  EXPECT_EQ(Float16OfFloat(1 + 3 * 0x1p-11F), 0x3C02);
  EXPECT_EQ(Float16OfFloat(1 + 0x1.8p-11F), 0x3C01);
  EXPECT_EQ(Float16OfFloat(0x1p-25F), 0x0000);
  EXPECT_EQ(Float16OfFloat(0x1.8p-24F), 0x0002);
  EXPECT_EQ(Float16OfFloat(65519.0F), 0x7BFF);
  EXPECT_EQ(Float16OfFloat(-65520.0F), 0xFC00);
  EXPECT_EQ(Bfloat16OfFloat(1 + 0x1p-8F), 0x3F80);
  EXPECT_EQ(Bfloat16OfFloat(1 + 3 * 0x1p-8F), 0x3F82);
}

TEST(BytePlanes, GiveBackBytesOfEveryLength) {
  std::mt19937 random(1);
  for (const size_t width : {1, 2, 4}) {
    for (const size_t size : {0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 4095, 4096, 70001}) {
      for (const int range : {1, 4, 256}) {
        Bytes bytes(size);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % range);
        const Bytes packed = PackBytePlanes(bytes, width).value();
        EXPECT_LE(packed.size(), MaxPackedBytes(size, width));
        Bytes out(size, 0xEE);
        ASSERT_TRUE(UnpackBytePlanes(packed, width, out).ok()) << size;
        EXPECT_EQ(out, bytes) << size << " of width " << width;
      }
    }
  }
}

TEST(BytePlanes, MakeTensorsSmaller) {
  for (const BlobDtype dtype : kDtypes) {
    const Bytes bytes = BytesOf(dtype, NormalFloats(100000));
    const Bytes packed = PackBytePlanes(bytes, BlobDtypeBytes(dtype)).value();
    EXPECT_LT(packed.size(), bytes.size() * 95 / 100) << BlobDtypeName(dtype);
  }
}

TEST(BytePlanes, LengthsThatLieAreRefused) {
  const Bytes bytes = BytesOf(BlobDtype::kBfloat16, NormalFloats(1000));
  const Bytes good = PackBytePlanes(bytes, 2).value();
  Bytes out(bytes.size());
  for (size_t size = 0; size < good.size(); size += size < 32 ? 1 : 97) {
    EXPECT_EQ(UnpackBytePlanes(std::span(good).first(size), 2, out).code(), Code::kDataLoss);
  }
  for (const size_t at : {0, 1, 7, 8, 9, 15}) {
    for (const uint8_t value : {0x00, 0x01, 0x7F, 0xFF}) {
      Bytes bad = good;
      if (bad[at] == value) continue;
      bad[at] = value;
      EXPECT_EQ(UnpackBytePlanes(bad, 2, out).code(), Code::kDataLoss) << at;
    }
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(UnpackBytePlanes(longer, 2, out).code(), Code::kDataLoss);
  EXPECT_EQ(UnpackBytePlanes(good, 2, std::span(out).first(out.size() - 2)).code(),
            Code::kDataLoss);
}

// [K|V][kv_head][token][dim]
class Int8Layer : public ::testing::TestWithParam<BlobDtype> {
 protected:
  static constexpr BlobShape kShape = {.layers = 1, .kv_heads = 2, .tokens = 37, .head_dim = 12};

  size_t rows() const { return size_t{2} * kShape.kv_heads * kShape.tokens; }
  static size_t TokenOf(size_t row) { return row % kShape.tokens; }
  static size_t HeadOf(size_t row) { return row / kShape.tokens; }  // keys, then values
  static bool IsKey(size_t row) { return HeadOf(row) < kShape.kv_heads; }

  // Keys have dimensions of very different size, as real ones do.
  Bytes Layer() const {
    std::vector<float> values = NormalFloats(rows() * kShape.head_dim);
    for (size_t i = 0; i < values.size(); ++i) {
      if (i % kShape.head_dim == 3) values[i] *= 40;
    }
    return BytesOf(GetParam(), values);
  }
  Bytes Quantized(const Bytes& layer) const {
    Bytes segment(Int8SegmentBytes(GetParam(), kShape).value());
    EXPECT_TRUE(QuantizeLayer(GetParam(), kShape, layer, segment).ok());
    return segment;
  }
  Bytes Back(const Bytes& segment) const {
    Bytes layer(BlobSegmentBytes(GetParam(), kShape).value());
    const Status status = DequantizeLayer(GetParam(), kShape, segment, layer);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return layer;
  }
  // Of the scale that the element of `row` and `d` has.
  float LargestBesides(const std::vector<float>& values, size_t row, size_t d) const {
    float largest = 0;
    for (size_t r = 0; r < rows(); ++r) {
      if (HeadOf(r) != HeadOf(row) || TokenOf(r) < kInt8FirstTokens) continue;
      for (size_t e = 0; e < kShape.head_dim; ++e) {
        if (IsKey(row) ? e == d : r == row) {
          largest = std::max(largest, std::abs(values[r * kShape.head_dim + e]));
        }
      }
    }
    return largest;
  }
};

TEST_P(Int8Layer, KeepsTheFirstFourTokensBitByBit) {
  const Bytes layer = Layer();
  const Bytes back = Back(Quantized(layer));
  const size_t row_bytes = kShape.head_dim * BlobDtypeBytes(GetParam());
  size_t changed = 0;
  for (size_t row = 0; row < rows(); ++row) {
    const bool same = std::equal(&layer[row * row_bytes], &layer[row * row_bytes] + row_bytes,
                                 &back[row * row_bytes]);
    EXPECT_TRUE(same || TokenOf(row) >= kInt8FirstTokens) << row;
    if (!same) ++changed;
  }
  EXPECT_GT(changed, rows() / 2);
}

TEST_P(Int8Layer, MovesNoNumberByMoreThanHalfItsScale) {
  const Bytes layer = Layer();
  const std::vector<float> before = FloatsOf(GetParam(), layer);
  const std::vector<float> after = FloatsOf(GetParam(), Back(Quantized(layer)));
  // What rounding to the compute dtype adds, for fp32 that of the arithmetic.
  const float rounding = GetParam() == BlobDtype::kFloat32    ? 0x1p-20F
                         : GetParam() == BlobDtype::kBfloat16 ? 0x1p-8F
                                                              : 0x1p-11F;
  for (size_t i = 0; i < before.size(); ++i) {
    const size_t row = i / kShape.head_dim;
    if (TokenOf(row) < kInt8FirstTokens) continue;
    const float scale = LargestBesides(before, row, i % kShape.head_dim) / 127;
    EXPECT_LE(std::abs(before[i] - after[i]), scale / 2 + std::abs(before[i]) * rounding) << i;
  }
}

TEST_P(Int8Layer, TakesTheBytesThatItSays) {
  const uint64_t width = BlobDtypeBytes(GetParam());
  // Scales of 2 · 12 dimensions and 2 · 33 tokens, 2 · 2 · 4 rows as they were, 2 · 2 · 33 rows.
  EXPECT_EQ(Int8SegmentBytes(GetParam(), kShape).value(),
            (24 + 66) * 4 + 16 * 12 * width + 132 * 12);
}

TEST_P(Int8Layer, OfUpToFourTokensIsLossless) {
  for (uint32_t tokens = 1; tokens <= 5; ++tokens) {
    const BlobShape shape = {.layers = 1, .kv_heads = 2, .tokens = tokens, .head_dim = 8};
    const Bytes layer = BytesOf(GetParam(), NormalFloats(size_t{2} * 2 * tokens * 8));
    Bytes segment(Int8SegmentBytes(GetParam(), shape).value());
    ASSERT_TRUE(QuantizeLayer(GetParam(), shape, layer, segment).ok());
    Bytes back(layer.size());
    ASSERT_TRUE(DequantizeLayer(GetParam(), shape, segment, back).ok());
    EXPECT_EQ(back == layer, tokens <= 4) << tokens;
  }
}

TEST_P(Int8Layer, ZerosAndTinyNumbersStayWhereTheyAre) {
  const BlobShape shape = {.layers = 1, .kv_heads = 1, .tokens = 6, .head_dim = 2};
  std::vector<float> values(2 * 6 * 2);
  values[10] = FLT_MIN;
  const Bytes layer = BytesOf(GetParam(), values);
  Bytes segment(Int8SegmentBytes(GetParam(), shape).value());
  ASSERT_TRUE(QuantizeLayer(GetParam(), shape, layer, segment).ok());
  Bytes back(layer.size());
  ASSERT_TRUE(DequantizeLayer(GetParam(), shape, segment, back).ok());
  EXPECT_EQ(back, layer);
}

TEST_P(Int8Layer, NumbersThatAreNotFiniteAreRefused) {
  for (const float bad : {INFINITY, -INFINITY, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values = NormalFloats(rows() * kShape.head_dim);
    Bytes layer = BytesOf(GetParam(), values);
    const size_t width = BlobDtypeBytes(GetParam());
    const uint32_t bits = GetParam() == BlobDtype::kFloat16    ? (std::isnan(bad) ? 0x7E00 : 0x7C00)
                          : GetParam() == BlobDtype::kBfloat16 ? std::bit_cast<uint32_t>(bad) >> 16
                                                               : std::bit_cast<uint32_t>(bad);
    std::memcpy(&layer[layer.size() - width], &bits, width);
    Bytes segment(Int8SegmentBytes(GetParam(), kShape).value());
    EXPECT_EQ(QuantizeLayer(GetParam(), kShape, layer, segment).code(), Code::kInvalidArgument);
  }
}

TEST_P(Int8Layer, ScalesThatAreNoPositiveNumbersAreRefused) {
  const Bytes good = Quantized(Layer());
  Bytes layer(BlobSegmentBytes(GetParam(), kShape).value());
  const size_t scales = 24 + 66;
  for (const size_t index : {size_t{0}, size_t{24}, scales - 1}) {
    for (const float bad : {0.0F, -1.0F, INFINITY, std::numeric_limits<float>::quiet_NaN()}) {
      Bytes segment = good;
      std::memcpy(&segment[index * sizeof(float)], &bad, sizeof(bad));
      EXPECT_EQ(DequantizeLayer(GetParam(), kShape, segment, layer).code(), Code::kDataLoss);
    }
  }
}

TEST_P(Int8Layer, OfAnotherLengthIsRefused) {
  const Bytes layer = Layer();
  Bytes segment = Quantized(layer);
  Bytes back(layer.size() - 1);
  EXPECT_EQ(DequantizeLayer(GetParam(), kShape, segment, back).code(), Code::kInvalidArgument);
  segment.pop_back();
  EXPECT_EQ(QuantizeLayer(GetParam(), kShape, layer, segment).code(), Code::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Int8Layer, ::testing::ValuesIn(kDtypes),
                         [](const auto& dtype) { return std::string(BlobDtypeName(dtype.param)); });

}  // namespace
}  // namespace promptcache
