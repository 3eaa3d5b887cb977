// The blob: one unit's encoded attention states as bytes. cachestore/FORMAT.md is its document.
//
//   prefix (64 bytes) | header (FlatBuffer) | zeros | layer 0 | zeros | layer 1 | ...
//
// Every layer starts at a multiple of 4096 and holds [K|V][kv_head][token][dim] of that layer, K
// after RoPE at unit-local positions, or what int8_layout.h and byte_planes.h make of that. Every
// byte is covered: the header and each layer by an XXH3-128, the prefix by what it must agree with,
// the padding by being zero.
//
// Bytes are taken for hostile: every function here checks sizes before use and never reads past
// what it was given. All functions are pure and thread safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/hash.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {

inline constexpr uint32_t kBlobVersion = 3;        // the newest
inline constexpr uint32_t kOldestBlobVersion = 1;  // that is read
inline constexpr uint64_t kBlobPrefixBytes = 64;
inline constexpr uint64_t kBlobAlignment = 4096;  // of the data and of each segment
inline constexpr uint64_t kMaxBlobHeaderBytes = 16 << 20;
inline constexpr uint64_t kMaxBlobBytes = uint64_t{1} << 40;

// Layouts: what Identity::kv_layout says. int8_layout.h has the second.
inline constexpr std::string_view kBlobLayout = "lkhtd-v1";
inline constexpr std::string_view kInt8Layout = "lkhtd-int8-v1";

// Element type of the tensors. On disk: never renumber.
enum class BlobDtype : uint8_t { kFloat32 = 1, kBfloat16 = 2, kFloat16 = 3 };
std::string_view BlobDtypeName(BlobDtype dtype);  // "fp32", "bf16", "fp16"
uint64_t BlobDtypeBytes(BlobDtype dtype);         // bytes of one element

// What is done to the bytes of a segment to store them. Nothing is lost by it and nothing names it
// but the blob: one key, whatever the encoding. On disk: never renumber.
enum class BlobEncoding : uint8_t { kPlain = 0, kBytePlaneZstd = 1 };
std::string_view BlobEncodingName(BlobEncoding encoding);  // "plain", "byte-plane-zstd"

struct BlobShape {
  uint32_t layers = 0;
  uint32_t kv_heads = 0;
  uint32_t tokens = 0;  // recipe.rows()
  uint32_t head_dim = 0;
  bool operator==(const BlobShape&) const = default;
};

// One layer as it is stored.
struct BlobSegment {
  uint64_t offset = 0;  // from the start of the blob
  uint64_t length = 0;
  Hash128 hash;        // XXH3-128 of its bytes
  Hash128 plain_hash;  // of its bytes before the encoding; without one the same
  bool operator==(const BlobSegment&) const = default;
};

struct BlobHeader {
  Identity identity;
  Recipe recipe;
  RecipeDigest recipe_digest;  // recipe.Digest(); of a version-1 blob what it was called then
  BlobDtype dtype = BlobDtype::kFloat32;  // of the tensors as they are computed with
  BlobShape shape;
  BlobEncoding encoding = BlobEncoding::kPlain;
  double encode_seconds = 0;          // what encoding cost; never negative
  std::vector<BlobSegment> segments;  // one a layer
  uint64_t data_offset = 0;           // of the first segment
  uint64_t total_bytes = 0;           // of the whole blob
  bool operator==(const BlobHeader&) const = default;
};

// Bytes of one layer's tensors: 2 · kv_heads · tokens · head_dim · element size. kInvalidArgument
// naming the dimension that is 0 or too large.
Result<uint64_t> BlobSegmentBytes(BlobDtype dtype, const BlobShape& shape);

// How many bytes from the start of a blob ParseBlobHeader needs (prefix and header), from its first
// kBlobPrefixBytes. kDataLoss when they are not a prefix of a version that is read.
Result<uint64_t> BlobPrefixLength(std::span<const uint8_t> prefix);

// The header from the first bytes of a blob, at least BlobPrefixLength of them. kDataLoss unless
// the checksum, the FlatBuffer, every value, the recipe with its digest, and the segments' sizes
// and places agree.
Result<BlobHeader> ParseBlobHeader(std::span<const uint8_t> bytes);

// The first `data_offset` bytes of a blob. Takes identity, recipe, dtype, shape, encoding,
// encode_seconds, the segments' hashes and, with an encoding, their lengths and plain hashes, and
// fills in the rest (digest, offsets, lengths, sizes). The version is the oldest that can say it.
// kInvalidArgument naming the field that a reader would refuse.
Result<std::vector<uint8_t>> EncodeBlobHeader(BlobHeader& header);

// kDataLoss naming the layer unless `bytes` are segment `index` of the header, as it is stored.
// kInvalidArgument when there is no such segment.
Status VerifySegment(const BlobHeader& header, size_t index, std::span<const uint8_t> bytes);

// Checks every byte of a whole blob, as it is stored, and returns its header. kDataLoss otherwise.
Result<BlobHeader> VerifyBlob(std::span<const uint8_t> blob);

// Names what was encoded, whatever else the blob says: equal for blobs whose tensors are equal.
Digest256 StatesDigest(const BlobHeader& header);

// kFailedPrecondition naming the first field that differs ("identity: dtype: bf16, here fp32").
Status CheckIdentity(const BlobHeader& header, const Identity& here);

// kFailedPrecondition naming the first difference unless the blob's tensors have this type and
// shape.
Status CheckShape(const BlobHeader& header, BlobDtype dtype, const BlobShape& here);

}  // namespace promptcache
