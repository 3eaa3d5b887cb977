#include "cachestore/format/blob_io.h"

#include <algorithm>
#include <array>
#include <string>

namespace promptcache {
namespace {

// Head bytes of the blob; the header then knows every place.
Result<std::vector<uint8_t>> EncodeHead(BlobHeader& header, BlobLayers layers) {
  PC_ASSIGN_OR_RETURN(const uint64_t bytes, BlobSegmentBytes(header.dtype, header.shape));
  if (layers.size() != header.shape.layers) {
    return InvalidArgument("blob: " + std::to_string(layers.size()) + " layers of bytes for " +
                           std::to_string(header.shape.layers));
  }
  header.segments.clear();
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].size() != bytes) {
      return InvalidArgument("blob: layer " + std::to_string(i) + " has " +
                             std::to_string(layers[i].size()) + " bytes, its shape " +
                             std::to_string(bytes));
    }
    header.segments.push_back({.hash = Xxh3_128(layers[i])});
  }
  return EncodeBlobHeader(header);
}

}  // namespace

Result<std::vector<uint8_t>> AssembleBlob(BlobHeader header, BlobLayers layers) {
  PC_ASSIGN_OR_RETURN(std::vector<uint8_t> blob, EncodeHead(header, layers));
  blob.resize(header.total_bytes);
  for (size_t i = 0; i < layers.size(); ++i) {
    std::copy(layers[i].begin(), layers[i].end(),
              blob.begin() + static_cast<ptrdiff_t>(header.segments[i].offset));
  }
  return blob;
}

Result<uint64_t> WriteBlob(BlobStore& store, const BlobName& name, BlobHeader header,
                           BlobLayers layers) {
  static constexpr std::array<uint8_t, kBlobAlignment> kZeros{};
  PC_ASSIGN_OR_RETURN(const std::vector<uint8_t> head, EncodeHead(header, layers));
  auto started =
      store.StartPut({.key = name.key, .bytes = header.total_bytes, .imports = name.imports});
  if (started.status().code() == Code::kAlreadyExists) return header.total_bytes;
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> writer, std::move(started));
  PC_RETURN_IF_ERROR(writer->Append(head));
  uint64_t position = head.size();
  for (size_t i = 0; i < layers.size(); ++i) {
    const uint64_t padding = header.segments[i].offset - position;
    if (padding > 0) PC_RETURN_IF_ERROR(writer->Append(std::span(kZeros).first(padding)));
    PC_RETURN_IF_ERROR(writer->Append(layers[i]));
    position += padding + layers[i].size();
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

}  // namespace promptcache
