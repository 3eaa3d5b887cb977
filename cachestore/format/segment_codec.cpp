#include "cachestore/format/segment_codec.h"

#include <algorithm>
#include <string>

#include "cachestore/format/blob_prefix.h"
#include "cachestore/format/byte_planes.h"
#include "cachestore/format/int8_layout.h"

namespace promptcache {
namespace {

bool IsInt8(const BlobHeader& header) { return header.identity.kv_layout == kInt8Layout; }

// Undoes the encoding and checks what comes of it.
Status DecodePlain(const BlobHeader& header, const BlobSegment& segment,
                   std::span<const uint8_t> stored, std::span<uint8_t> plain) {
  if (header.encoding == BlobEncoding::kBytePlaneZstd) {
    PC_RETURN_IF_ERROR(UnpackBytePlanes(stored, internal::ElementBytes(header), plain));
  } else if (stored.size() == plain.size()) {
    std::copy(stored.begin(), stored.end(), plain.begin());
  } else {
    return DataLoss("has another length than its layer");
  }
  return Xxh3_128(plain) == segment.plain_hash ? Status() : DataLoss("fails its checksum");
}

Status DecodeLayer(const BlobHeader& header, const BlobSegment& segment,
                   std::span<const uint8_t> stored, std::span<uint8_t> layer) {
  if (stored.size() != segment.length) return DataLoss("is cut short");
  if (!IsInt8(header)) return DecodePlain(header, segment, stored, layer);
  PC_ASSIGN_OR_RETURN(const uint64_t bytes, internal::PlainSegmentBytes(header));
  std::vector<uint8_t> plain(bytes);
  PC_RETURN_IF_ERROR(DecodePlain(header, segment, stored, plain));
  return DequantizeLayer(header.dtype, header.shape, plain, layer);
}

}  // namespace

bool StoresLayersAsTheyAre(const BlobHeader& header) {
  return header.encoding == BlobEncoding::kPlain && !IsInt8(header);
}

Result<EncodedSegment> EncodeSegment(const BlobHeader& header, std::span<const uint8_t> layer) {
  PC_ASSIGN_OR_RETURN(const uint64_t bytes, internal::PlainSegmentBytes(header));
  std::vector<uint8_t> quantized;
  if (IsInt8(header)) {
    quantized.resize(bytes);
    PC_RETURN_IF_ERROR(QuantizeLayer(header.dtype, header.shape, layer, quantized));
    layer = quantized;
  }
  if (layer.size() != bytes) {
    return InvalidArgument(std::to_string(layer.size()) + " bytes, its shape " +
                           std::to_string(bytes));
  }
  EncodedSegment segment{.plain_hash = Xxh3_128(layer)};
  if (header.encoding == BlobEncoding::kBytePlaneZstd) {
    PC_ASSIGN_OR_RETURN(segment.bytes, PackBytePlanes(layer, internal::ElementBytes(header)));
  } else {
    segment.bytes.assign(layer.begin(), layer.end());
  }
  return segment;
}

Status DecodeSegment(const BlobHeader& header, size_t index, std::span<const uint8_t> stored,
                     std::span<uint8_t> layer) {
  PC_ASSIGN_OR_RETURN(const uint64_t bytes, BlobSegmentBytes(header.dtype, header.shape));
  if (index >= header.segments.size() || layer.size() != bytes) {
    return InvalidArgument("blob: no layer " + std::to_string(index) + " of " +
                           std::to_string(layer.size()) + " bytes");
  }
  const Status status = DecodeLayer(header, header.segments[index], stored, layer);
  return status.WithContext("blob: layer " + std::to_string(index));
}

}  // namespace promptcache
