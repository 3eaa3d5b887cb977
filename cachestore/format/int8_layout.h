// The layout `lkhtd-int8-v1`: about half of bf16, a quarter of fp32, with a loss that is bounded.
// The first four tokens, on which much of all attention rests, stay in the compute dtype. Of the
// others a key is an int8 times the scale of its head and dimension, a value an int8 times the
// scale of its head and token; a scale is the largest magnitude of what it is for, over 127. So a
// key or value moves by half its scale at most, and then to the nearest number of the compute
// dtype.
//
//   key scales [kv_head][dim] fp32 | value scales [kv_head][token] fp32
//   | first keys [kv_head][token][dim] | first values | keys [kv_head][token][dim] int8 | values
//
// Without a fifth token there are no scales. Pure and thread safe.
#pragma once

#include <cstdint>
#include <span>

#include "cachestore/format/blob.h"

namespace promptcache {

inline constexpr uint32_t kInt8FirstTokens = 4;

// Bytes of one segment. The errors of BlobSegmentBytes.
Result<uint64_t> Int8SegmentBytes(BlobDtype dtype, const BlobShape& shape);

// From a layer in the layout `lkhtd-v1`. kInvalidArgument when a length is not the one of dtype and
// shape, or a value of a later token is not finite.
Status QuantizeLayer(BlobDtype dtype, const BlobShape& shape, std::span<const uint8_t> layer,
                     std::span<uint8_t> segment);

// Back to `lkhtd-v1`. kDataLoss when a scale is no positive number; hostile bytes are safe.
// kInvalidArgument when a length is wrong.
Status DequantizeLayer(BlobDtype dtype, const BlobShape& shape, std::span<const uint8_t> segment,
                       std::span<uint8_t> layer);

}  // namespace promptcache
