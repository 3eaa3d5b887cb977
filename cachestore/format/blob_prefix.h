// The fixed part of a blob and the arithmetic of its places. Internal to cachestore/format.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "cachestore/format/blob.h"

namespace promptcache::internal {

struct BlobPrefix {
  uint32_t version = kBlobVersion;
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

// Sets offset and length of every segment, data_offset and total_bytes. REQUIRES: one segment a
// layer. kInvalidArgument when the shape is wrong or the blob would be over kMaxBlobBytes.
Status PlaceSegments(uint64_t header_bytes, BlobHeader& header);

// kInvalidArgument naming the field unless the header is one that EncodeBlobHeader may write.
Status ValidateBlobHeader(const BlobHeader& header);

}  // namespace promptcache::internal
