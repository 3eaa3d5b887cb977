#include "cachestore/format/blob_io.h"

#include <algorithm>
#include <array>
#include <string>

#include "cachestore/format/segment_codec.h"

namespace promptcache {
namespace {

// A blob but for its padding.
struct BlobParts {
  std::vector<uint8_t> head;
  std::vector<std::span<const uint8_t>> segments;  // the layers themselves, or what is in `encoded`
  std::vector<std::vector<uint8_t>> encoded;
};

Status AddLayer(BlobHeader& header, std::span<const uint8_t> layer, BlobParts& parts) {
  if (StoresLayersAsTheyAre(header)) {
    PC_ASSIGN_OR_RETURN(const uint64_t bytes, BlobSegmentBytes(header.dtype, header.shape));
    if (layer.size() != bytes) {
      return InvalidArgument(std::to_string(layer.size()) + " bytes, its shape " +
                             std::to_string(bytes));
    }
    header.segments.push_back({.hash = Xxh3_128(layer)});
    parts.segments.push_back(layer);
    return {};
  }
  PC_ASSIGN_OR_RETURN(EncodedSegment segment, EncodeSegment(header, layer));
  header.segments.push_back({.length = segment.bytes.size(),
                             .hash = Xxh3_128(segment.bytes),
                             .plain_hash = segment.plain_hash});
  parts.segments.push_back(parts.encoded.emplace_back(std::move(segment.bytes)));
  return {};
}

// The header then knows every place.
Result<BlobParts> EncodeParts(BlobHeader& header, BlobLayers layers) {
  PC_RETURN_IF_ERROR(BlobSegmentBytes(header.dtype, header.shape).status());
  if (layers.size() != header.shape.layers) {
    return InvalidArgument("blob: " + std::to_string(layers.size()) + " layers of bytes for " +
                           std::to_string(header.shape.layers));
  }
  BlobParts parts;
  header.segments.clear();
  for (size_t i = 0; i < layers.size(); ++i) {
    const Status status = AddLayer(header, layers[i], parts);
    if (!status.ok()) return status.WithContext("blob: layer " + std::to_string(i));
  }
  PC_ASSIGN_OR_RETURN(parts.head, EncodeBlobHeader(header));
  return parts;
}

}  // namespace

Result<std::vector<uint8_t>> AssembleBlob(BlobHeader header, BlobLayers layers) {
  PC_ASSIGN_OR_RETURN(BlobParts parts, EncodeParts(header, layers));
  std::vector<uint8_t> blob = std::move(parts.head);
  blob.resize(header.total_bytes);
  for (size_t i = 0; i < parts.segments.size(); ++i) {
    std::copy(parts.segments[i].begin(), parts.segments[i].end(),
              blob.begin() + static_cast<ptrdiff_t>(header.segments[i].offset));
  }
  return blob;
}

Result<uint64_t> WriteBlob(BlobStore& store, const BlobName& name, BlobHeader header,
                           BlobLayers layers) {
  static constexpr std::array<uint8_t, kBlobAlignment> kZeros{};
  PC_ASSIGN_OR_RETURN(const BlobParts parts, EncodeParts(header, layers));
  auto started =
      store.StartPut({.key = name.key, .bytes = header.total_bytes, .imports = name.imports});
  if (started.status().code() == Code::kAlreadyExists) return header.total_bytes;
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> writer, std::move(started));
  PC_RETURN_IF_ERROR(writer->Append(parts.head));
  uint64_t position = parts.head.size();
  for (size_t i = 0; i < parts.segments.size(); ++i) {
    const uint64_t padding = header.segments[i].offset - position;
    if (padding > 0) PC_RETURN_IF_ERROR(writer->Append(std::span(kZeros).first(padding)));
    PC_RETURN_IF_ERROR(writer->Append(parts.segments[i]));
    position += padding + parts.segments[i].size();
  }
  PC_RETURN_IF_ERROR(writer->Commit());
  return header.total_bytes;
}

Result<BlobHeader> ReadBlobHeader(BlobReader& reader) {
  std::vector<uint8_t> bytes(kBlobPrefixBytes);
  if (reader.size() < bytes.size()) return DataLoss("blob: shorter than its prefix");
  PC_RETURN_IF_ERROR(reader.Read(0, bytes));
  PC_ASSIGN_OR_RETURN(const uint64_t length, BlobPrefixLength(bytes));
  if (length > reader.size()) return DataLoss("blob: shorter than its header");
  bytes.resize(length);
  PC_RETURN_IF_ERROR(reader.Read(kBlobPrefixBytes, std::span(bytes).subspan(kBlobPrefixBytes)));
  PC_ASSIGN_OR_RETURN(BlobHeader header, ParseBlobHeader(bytes));
  if (header.total_bytes != reader.size()) {
    return DataLoss("blob: " + std::to_string(reader.size()) + " bytes stored, the header says " +
                    std::to_string(header.total_bytes));
  }
  return header;
}

Status ReadLayer(BlobReader& reader, const BlobHeader& header, size_t index,
                 std::span<uint8_t> layer) {
  if (index >= header.segments.size()) {
    return InvalidArgument("blob: no layer " + std::to_string(index));
  }
  const BlobSegment& segment = header.segments[index];
  if (StoresLayersAsTheyAre(header)) {
    if (layer.size() != segment.length) {
      return InvalidArgument("blob: layer " + std::to_string(index) + " has " +
                             std::to_string(segment.length) + " bytes, not " +
                             std::to_string(layer.size()));
    }
    PC_RETURN_IF_ERROR(reader.Read(segment.offset, layer));
    return VerifySegment(header, index, layer);
  }
  std::vector<uint8_t> stored(segment.length);
  PC_RETURN_IF_ERROR(reader.Read(segment.offset, stored));
  return DecodeSegment(header, index, stored, layer);
}

}  // namespace promptcache
