// The fixed part of a blob and the arithmetic of its places. Internal to cachestore/format.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "cachestore/format/blob.h"

namespace promptcache::internal {

struct BlobPrefix {
  uint32_t version = 2;
  uint64_t header_bytes = 0;
  uint64_t data_offset = 0;
  uint64_t total_bytes = 0;
  Hash128 header_hash;
};

std::array<uint8_t, kBlobPrefixBytes> EncodeBlobPrefix(const BlobPrefix& prefix);

// kDataLoss unless magic, version, flags and reserved bytes are right, the header fits its limit
// and the data starts right behind it.
Result<BlobPrefix> ParseBlobPrefix(std::span<const uint8_t> bytes);

constexpr uint64_t AlignUp(uint64_t value) {
  return (value + kBlobAlignment - 1) / kBlobAlignment * kBlobAlignment;
}

// What is written: 3 where there is an encoding or another layout, else 2.
uint32_t BlobVersionOf(const BlobHeader& header);

// Bytes of a segment before its encoding. kInvalidArgument for a wrong dtype or shape.
Result<uint64_t> PlainSegmentBytes(const BlobHeader& header);
// Of the elements whose byte planes are compressed.
uint64_t ElementBytes(const BlobHeader& header);

// Sets offset and, without an encoding, length of every segment, data_offset and total_bytes.
// REQUIRES: one segment a layer. kInvalidArgument when the shape or a length is wrong or the blob
// would be over kMaxBlobBytes.
Status PlaceSegments(uint64_t header_bytes, BlobHeader& header);

// kInvalidArgument naming the field unless the header is one that EncodeBlobHeader may write.
Status ValidateBlobHeader(const BlobHeader& header);

}  // namespace promptcache::internal
