#include "cachestore/format/blob_prefix.h"

#include <algorithm>
#include <string>

#include "cachestore/format/byte_planes.h"
#include "cachestore/format/int8_layout.h"

namespace promptcache {
namespace internal {
namespace {

constexpr std::array<uint8_t, 4> kMagic = {'P', 'C', 'K', 'V'};

// Offsets of the prefix's fields (FORMAT.md).
constexpr size_t kVersionAt = 4;
constexpr size_t kFlagsAt = 8;
constexpr size_t kHeaderBytesAt = 16;
constexpr size_t kDataOffsetAt = 24;
constexpr size_t kTotalBytesAt = 32;
constexpr size_t kHashLowAt = 40;
constexpr size_t kHashHighAt = 48;
constexpr size_t kReservedAt = 56;

void Store64(std::span<uint8_t> bytes, size_t at, uint64_t value) {
  for (size_t i = 0; i < 8; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
}

uint64_t Load(std::span<const uint8_t> bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value |= uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

}  // namespace

std::array<uint8_t, kBlobPrefixBytes> EncodeBlobPrefix(const BlobPrefix& prefix) {
  std::array<uint8_t, kBlobPrefixBytes> bytes{};
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  bytes[kVersionAt] = static_cast<uint8_t>(prefix.version);
  Store64(bytes, kHeaderBytesAt, prefix.header_bytes);
  Store64(bytes, kDataOffsetAt, prefix.data_offset);
  Store64(bytes, kTotalBytesAt, prefix.total_bytes);
  Store64(bytes, kHashLowAt, prefix.header_hash.low);
  Store64(bytes, kHashHighAt, prefix.header_hash.high);
  return bytes;
}

Result<BlobPrefix> ParseBlobPrefix(std::span<const uint8_t> bytes) {
  if (bytes.size() < kBlobPrefixBytes) {
    return DataLoss("blob: " + std::to_string(bytes.size()) + " bytes are no prefix of 64");
  }
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
    return DataLoss("blob: does not begin with PCKV");
  }
  const uint64_t version = Load(bytes, kVersionAt, 4);
  if (version < kOldestBlobVersion || version > kBlobVersion) {
    return DataLoss("blob: format version " + std::to_string(version) + ", this build reads " +
                    std::to_string(kOldestBlobVersion) + " to " + std::to_string(kBlobVersion));
  }
  if (Load(bytes, kFlagsAt, 8) != 0 || Load(bytes, kReservedAt, 8) != 0) {
    return DataLoss("blob: flags or reserved bytes of the prefix are set");
  }
  if (Load(bytes, kHeaderBytesAt, 8) % 8 != 0) {
    return DataLoss("blob: the header's length is no multiple of 8");
  }
  const BlobPrefix prefix{
      .version = static_cast<uint32_t>(version),
      .header_bytes = Load(bytes, kHeaderBytesAt, 8),
      .data_offset = Load(bytes, kDataOffsetAt, 8),
      .total_bytes = Load(bytes, kTotalBytesAt, 8),
      .header_hash = {.low = Load(bytes, kHashLowAt, 8), .high = Load(bytes, kHashHighAt, 8)}};
  if (prefix.header_bytes == 0 || prefix.header_bytes > kMaxBlobHeaderBytes) {
    return DataLoss("blob: a header of " + std::to_string(prefix.header_bytes) + " bytes, limit " +
                    std::to_string(kMaxBlobHeaderBytes));
  }
  if (prefix.data_offset != AlignUp(kBlobPrefixBytes + prefix.header_bytes)) {
    return DataLoss("blob: data at " + std::to_string(prefix.data_offset) +
                    ", not right behind the header");
  }
  if (prefix.total_bytes <= prefix.data_offset || prefix.total_bytes > kMaxBlobBytes) {
    return DataLoss("blob: impossible size " + std::to_string(prefix.total_bytes));
  }
  return prefix;
}

uint32_t BlobVersionOf(const BlobHeader& header) {
  const bool plain = header.encoding == BlobEncoding::kPlain;
  return plain && header.identity.kv_layout == kBlobLayout ? 2 : 3;
}

Result<uint64_t> PlainSegmentBytes(const BlobHeader& header) {
  if (header.identity.kv_layout == kInt8Layout) {
    return Int8SegmentBytes(header.dtype, header.shape);
  }
  return BlobSegmentBytes(header.dtype, header.shape);
}

uint64_t ElementBytes(const BlobHeader& header) {
  return header.identity.kv_layout == kInt8Layout ? 1 : BlobDtypeBytes(header.dtype);
}

Status PlaceSegments(uint64_t header_bytes, BlobHeader& header) {
  PC_ASSIGN_OR_RETURN(const uint64_t plain, PlainSegmentBytes(header));
  const uint64_t least = MinPackedBytes(plain);
  const uint64_t limit = MaxPackedBytes(plain, ElementBytes(header));
  header.data_offset = AlignUp(kBlobPrefixBytes + header_bytes);
  uint64_t end = header.data_offset;
  for (BlobSegment& segment : header.segments) {
    if (header.encoding == BlobEncoding::kPlain) segment.length = plain;
    if (segment.length < least || segment.length > limit) {
      return InvalidArgument("blob: a segment of " + std::to_string(segment.length) +
                             " bytes, possible are " + std::to_string(least) + " to " +
                             std::to_string(limit));
    }
    segment.offset = AlignUp(end);
    end = segment.offset + segment.length;
    if (end > kMaxBlobBytes) {
      return InvalidArgument("blob: larger than the limit of " + std::to_string(kMaxBlobBytes) +
                             " bytes");
    }
  }
  header.total_bytes = end;
  return {};
}

}  // namespace internal

Result<uint64_t> BlobPrefixLength(std::span<const uint8_t> prefix) {
  PC_ASSIGN_OR_RETURN(const internal::BlobPrefix parsed, internal::ParseBlobPrefix(prefix));
  return kBlobPrefixBytes + parsed.header_bytes;
}

}  // namespace promptcache
