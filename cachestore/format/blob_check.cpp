// What makes a header acceptable, and what makes a blob the one that is wanted.
#include <cmath>
#include <string>

#include "cachestore/format/blob.h"
#include "cachestore/format/blob_prefix.h"

namespace promptcache {
namespace {

constexpr uint32_t kMaxLayers = 4096;
constexpr uint32_t kMaxHeads = 65536;
constexpr uint32_t kMaxHeadDim = 65536;
constexpr uint32_t kMaxTokens = 1 << 24;

Status CheckDimension(std::string_view name, uint32_t value, uint32_t limit) {
  if (value >= 1 && value <= limit) return {};
  return InvalidArgument("blob shape: " + std::string(name) + " = " + std::to_string(value) +
                         ", allowed 1 to " + std::to_string(limit));
}

std::string Describe(BlobDtype dtype, const BlobShape& shape) {
  return std::string(BlobDtypeName(dtype)) + " [layers " + std::to_string(shape.layers) +
         ", kv_heads " + std::to_string(shape.kv_heads) + ", tokens " +
         std::to_string(shape.tokens) + ", head_dim " + std::to_string(shape.head_dim) + "]";
}

}  // namespace

std::string_view BlobDtypeName(BlobDtype dtype) {
  switch (dtype) {
    case BlobDtype::kFloat32:
      return "fp32";
    case BlobDtype::kBfloat16:
      return "bf16";
    case BlobDtype::kFloat16:
      return "fp16";
  }
  return "unknown";
}

std::string_view BlobEncodingName(BlobEncoding encoding) {
  switch (encoding) {
    case BlobEncoding::kPlain:
      return "plain";
    case BlobEncoding::kBytePlaneZstd:
      return "byte-plane-zstd";
  }
  return "unknown";
}

uint64_t BlobDtypeBytes(BlobDtype dtype) { return dtype == BlobDtype::kFloat32 ? 4 : 2; }

Result<uint64_t> BlobSegmentBytes(BlobDtype dtype, const BlobShape& shape) {
  if (dtype < BlobDtype::kFloat32 || dtype > BlobDtype::kFloat16) {
    return InvalidArgument("blob: unknown dtype " + std::to_string(static_cast<int>(dtype)));
  }
  PC_RETURN_IF_ERROR(CheckDimension("layers", shape.layers, kMaxLayers));
  PC_RETURN_IF_ERROR(CheckDimension("kv_heads", shape.kv_heads, kMaxHeads));
  PC_RETURN_IF_ERROR(CheckDimension("tokens", shape.tokens, kMaxTokens));
  PC_RETURN_IF_ERROR(CheckDimension("head_dim", shape.head_dim, kMaxHeadDim));
  // At most 2 · 2^16 · 2^24 · 2^16 · 4 = 2^59: cannot overflow.
  const uint64_t bytes =
      2 * uint64_t{shape.kv_heads} * shape.tokens * shape.head_dim * BlobDtypeBytes(dtype);
  if (bytes > kMaxBlobBytes) {
    return InvalidArgument("blob: a layer of " + std::to_string(bytes) + " bytes, limit " +
                           std::to_string(kMaxBlobBytes));
  }
  return bytes;
}

Status internal::ValidateBlobHeader(const BlobHeader& header) {
  PC_RETURN_IF_ERROR(header.recipe.Validate());
  if (header.shape.tokens != header.recipe.rows()) {
    return InvalidArgument("blob: " + std::to_string(header.shape.tokens) +
                           " rows, its recipe has " + std::to_string(header.recipe.rows()));
  }
  if (header.identity.kv_layout != kBlobLayout && header.identity.kv_layout != kInt8Layout) {
    return InvalidArgument("blob: layout " + header.identity.kv_layout + ", this build knows " +
                           std::string(kBlobLayout) + " and " + std::string(kInt8Layout));
  }
  if (header.encoding > BlobEncoding::kBytePlaneZstd) {
    return InvalidArgument("blob: unknown encoding " +
                           std::to_string(static_cast<int>(header.encoding)));
  }
  if (!std::isfinite(header.encode_seconds) || header.encode_seconds < 0) {
    return InvalidArgument("blob: encode_seconds is not a duration");
  }
  PC_RETURN_IF_ERROR(BlobSegmentBytes(header.dtype, header.shape).status());
  if (header.segments.size() != header.shape.layers) {
    return InvalidArgument("blob: " + std::to_string(header.segments.size()) + " segments for " +
                           std::to_string(header.shape.layers) + " layers");
  }
  return {};
}

Status VerifySegment(const BlobHeader& header, size_t index, std::span<const uint8_t> bytes) {
  if (index >= header.segments.size()) {
    return InvalidArgument("blob: no layer " + std::to_string(index));
  }
  const BlobSegment& segment = header.segments[index];
  if (bytes.size() == segment.length && Xxh3_128(bytes) == segment.hash) return {};
  return DataLoss("blob: layer " + std::to_string(index) + " fails its checksum");
}

Digest256 StatesDigest(const BlobHeader& header) {
  Blake2b digest;
  digest.AddString("promptcache states 1").AddU32(static_cast<uint32_t>(header.dtype));
  digest.AddU32(header.shape.kv_heads).AddU32(header.shape.tokens).AddU32(header.shape.head_dim);
  for (const BlobSegment& s : header.segments) {
    digest.AddU64(s.plain_hash.low).AddU64(s.plain_hash.high);
  }
  return digest.Finish();
}

Status CheckIdentity(const BlobHeader& header, const Identity& here) {
  const auto difference = header.identity.FirstDifference(here);
  if (!difference) return {};
  return FailedPrecondition("identity: " + *difference);
}

Status CheckShape(const BlobHeader& header, BlobDtype dtype, const BlobShape& here) {
  if (header.dtype == dtype && header.shape == here) return {};
  return FailedPrecondition("blob: tensors are " + Describe(header.dtype, header.shape) +
                            ", here " + Describe(dtype, here));
}

}  // namespace promptcache
