#include "cachestore/format/int8_layout.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "cachestore/format/half.h"

namespace promptcache {
namespace {

constexpr uint32_t kMagnitudeBits = 0x7FFFFFFF;
constexpr uint32_t kInfinityBits = 0x7F800000;

enum class Part : uint8_t { kKeys = 0, kValues = 1 };

// Of one head: its rows in the layer, the rest in the segment.
struct HeadPlaces {
  uint64_t rows, scales, first, later;
};

struct Places {
  Places(BlobDtype tensor_dtype, const BlobShape& shape)
      : dtype(tensor_dtype),
        heads(shape.kv_heads),
        dim(shape.head_dim),
        first_tokens(std::min(shape.tokens, kInt8FirstTokens)),
        later_tokens(shape.tokens - first_tokens),
        first_bytes(first_tokens * dim * BlobDtypeBytes(dtype)),
        row_bytes(shape.tokens * dim * BlobDtypeBytes(dtype)),
        value_scales(later_tokens > 0 ? heads * dim * sizeof(float) : 0),
        first(value_scales + heads * later_tokens * sizeof(float)),
        later(first + 2 * heads * first_bytes),
        end(later + 2 * heads * later_tokens * dim) {}

  HeadPlaces Head(Part part, uint64_t head) const {
    const uint64_t index = static_cast<uint64_t>(part) * heads + head;
    return {.rows = index * row_bytes,
            .scales = part == Part::kKeys ? head * dim * sizeof(float)
                                          : value_scales + head * later_tokens * sizeof(float),
            .first = first + index * first_bytes,
            .later = later + index * later_tokens * dim};
  }

  const BlobDtype dtype;
  const uint64_t heads, dim;
  const uint64_t first_tokens, later_tokens;
  const uint64_t first_bytes, row_bytes;           // of one head
  const uint64_t value_scales, first, later, end;  // in the segment; key scales are at 0
};

void ToFloats(BlobDtype dtype, const uint8_t* in, std::span<float> out) {
  if (dtype == BlobDtype::kFloat32) {
    std::memcpy(out.data(), in, out.size_bytes());
    return;
  }
  std::vector<uint16_t> bits(out.size());
  std::memcpy(bits.data(), in, out.size() * sizeof(uint16_t));
  if (dtype == BlobDtype::kBfloat16) {
    std::transform(bits.begin(), bits.end(), out.begin(), FloatOfBfloat16);
  } else {
    std::transform(bits.begin(), bits.end(), out.begin(), FloatOfFloat16);
  }
}

void FromFloats(BlobDtype dtype, std::span<const float> in, uint8_t* out) {
  if (dtype == BlobDtype::kFloat32) {
    std::memcpy(out, in.data(), in.size_bytes());
    return;
  }
  std::vector<uint16_t> bits(in.size());
  if (dtype == BlobDtype::kBfloat16) {
    std::transform(in.begin(), in.end(), bits.begin(), Bfloat16OfFloat);
  } else {
    std::transform(in.begin(), in.end(), bits.begin(), Float16OfFloat);
  }
  std::memcpy(out, bits.data(), bits.size() * sizeof(uint16_t));
}

// Positive floats are ordered like their bits, and what is not finite comes last.
uint32_t Magnitude(float value) { return std::bit_cast<uint32_t>(value) & kMagnitudeBits; }

// Never 0, so that it can be divided by.
float ScaleOf(uint32_t magnitude) {
  return std::max(std::bit_cast<float>(magnitude) / 127, FLT_MIN);
}

// The nearest integer of -127 to 127. Adding 1.5 · 2^23 leaves it in the last bits.
int8_t Nearest(float value) {
  return static_cast<int8_t>(std::bit_cast<uint32_t>(value + 0x1.8p23F));
}

// Which scale is for an element.
template <Part kPart>
size_t ScaleIndex(size_t row, size_t d) {
  return kPart == Part::kKeys ? d : row;
}

template <Part kPart>
std::vector<uint32_t> Magnitudes(std::span<const float> rows, size_t dim) {
  const size_t count = rows.size() / dim;
  std::vector<uint32_t> magnitudes(kPart == Part::kKeys ? dim : count);
  for (size_t row = 0; row < count; ++row) {
    for (size_t d = 0; d < dim; ++d) {
      uint32_t& magnitude = magnitudes[ScaleIndex<kPart>(row, d)];
      magnitude = std::max(magnitude, Magnitude(rows[row * dim + d]));
    }
  }
  return magnitudes;
}

template <Part kPart>
Status QuantizeHead(const Places& places, uint64_t head, std::span<const uint8_t> layer,
                    std::span<uint8_t> segment) {
  const HeadPlaces at = places.Head(kPart, head);
  std::memcpy(&segment[at.first], &layer[at.rows], places.first_bytes);
  std::vector<float> rows(places.later_tokens * places.dim);
  ToFloats(places.dtype, &layer[at.rows] + places.first_bytes, rows);
  const std::vector<uint32_t> magnitudes = Magnitudes<kPart>(rows, places.dim);
  if (*std::max_element(magnitudes.begin(), magnitudes.end()) >= kInfinityBits) {
    return InvalidArgument("head " + std::to_string(head) + " has values that are not finite");
  }
  std::vector<float> factors;
  for (size_t i = 0; i < magnitudes.size(); ++i) {
    const float scale = ScaleOf(magnitudes[i]);
    std::memcpy(&segment[at.scales + i * sizeof(float)], &scale, sizeof(scale));
    factors.push_back(1 / scale);
  }
  auto* const out = reinterpret_cast<int8_t*>(&segment[at.later]);
  for (size_t row = 0; row < places.later_tokens; ++row) {
    for (size_t d = 0; d < places.dim; ++d) {
      const size_t element = row * places.dim + d;
      out[element] = Nearest(rows[element] * factors[ScaleIndex<kPart>(row, d)]);
    }
  }
  return {};
}

template <Part kPart>
Status DequantizeHead(const Places& places, uint64_t head, std::span<const uint8_t> segment,
                      std::span<uint8_t> layer) {
  const HeadPlaces at = places.Head(kPart, head);
  std::memcpy(&layer[at.rows], &segment[at.first], places.first_bytes);
  std::vector<float> scales(kPart == Part::kKeys ? places.dim : places.later_tokens);
  std::memcpy(scales.data(), &segment[at.scales], scales.size() * sizeof(float));
  if (!std::all_of(scales.begin(), scales.end(),
                   [](float scale) { return scale > 0 && std::isfinite(scale); })) {
    return DataLoss("head " + std::to_string(head) + " has a scale that is no positive number");
  }
  std::vector<float> rows(places.later_tokens * places.dim);
  const auto* const in = reinterpret_cast<const int8_t*>(&segment[at.later]);
  for (size_t row = 0; row < places.later_tokens; ++row) {
    for (size_t d = 0; d < places.dim; ++d) {
      const size_t element = row * places.dim + d;
      rows[element] = static_cast<float>(in[element]) * scales[ScaleIndex<kPart>(row, d)];
    }
  }
  FromFloats(places.dtype, rows, &layer[at.rows] + places.first_bytes);
  return {};
}

Status CheckLengths(const Places& places, uint64_t layer, uint64_t segment) {
  const uint64_t expected = 2 * places.heads * places.row_bytes;
  if (layer == expected && segment == places.end) return {};
  return InvalidArgument("int8: " + std::to_string(layer) + " bytes of a layer and " +
                         std::to_string(segment) + " of its segment, expected " +
                         std::to_string(expected) + " and " + std::to_string(places.end));
}

}  // namespace

Result<uint64_t> Int8SegmentBytes(BlobDtype dtype, const BlobShape& shape) {
  PC_RETURN_IF_ERROR(BlobSegmentBytes(dtype, shape).status());
  return Places(dtype, shape).end;
}

Status QuantizeLayer(BlobDtype dtype, const BlobShape& shape, std::span<const uint8_t> layer,
                     std::span<uint8_t> segment) {
  PC_RETURN_IF_ERROR(BlobSegmentBytes(dtype, shape).status());
  const Places places(dtype, shape);
  PC_RETURN_IF_ERROR(CheckLengths(places, layer.size(), segment.size()));
  if (places.later_tokens == 0) {
    std::memcpy(segment.data(), layer.data(), layer.size());
    return {};
  }
  for (uint64_t head = 0; head < places.heads; ++head) {
    PC_RETURN_IF_ERROR(QuantizeHead<Part::kKeys>(places, head, layer, segment));
    PC_RETURN_IF_ERROR(QuantizeHead<Part::kValues>(places, head, layer, segment));
  }
  return {};
}

Status DequantizeLayer(BlobDtype dtype, const BlobShape& shape, std::span<const uint8_t> segment,
                       std::span<uint8_t> layer) {
  PC_RETURN_IF_ERROR(BlobSegmentBytes(dtype, shape).status());
  const Places places(dtype, shape);
  PC_RETURN_IF_ERROR(CheckLengths(places, layer.size(), segment.size()));
  if (places.later_tokens == 0) {
    std::memcpy(layer.data(), segment.data(), layer.size());
    return {};
  }
  for (uint64_t head = 0; head < places.heads; ++head) {
    PC_RETURN_IF_ERROR(DequantizeHead<Part::kKeys>(places, head, segment, layer));
    PC_RETURN_IF_ERROR(DequantizeHead<Part::kValues>(places, head, segment, layer));
  }
  return {};
}

}  // namespace promptcache
