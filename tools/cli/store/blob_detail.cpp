#include "tools/cli/store/blob_detail.h"

#include <algorithm>

#include "cachestore/format/blob_io.h"

namespace promptcache {
namespace {

// Damage is a finding; that the store cannot be reached is an error.
Result<std::string> HashOfSegment(BlobReader& reader, const BlobSegment& segment) {
  std::vector<uint8_t> bytes(segment.length);
  const Status status = reader.Read(segment.offset, bytes);
  if (status.code() == Code::kDataLoss) return std::string();
  PC_RETURN_IF_ERROR(status);
  return Xxh3_128(bytes).ToHex();
}

}  // namespace

Result<BlobDetail> ReadDetail(BlobStore& store, const BlobInfo& info,
                              const DetailOptions& options) {
  PC_ASSIGN_OR_RETURN(const auto reader, store.Inspect(info.key));
  PC_ASSIGN_OR_RETURN(BlobHeader header, ReadBlobHeader(*reader));
  BlobDetail detail{.info = info, .header = std::move(header)};
  detail.head.resize(std::min(options.head_bytes, reader->size()));
  PC_RETURN_IF_ERROR(reader->Read(0, detail.head));
  if (options.segments == Segments::kRecomputed) {
    for (const BlobSegment& segment : detail.header.segments) {
      PC_ASSIGN_OR_RETURN(std::string hash, HashOfSegment(*reader, segment));
      detail.recomputed.push_back(std::move(hash));
    }
  }
  if (options.norms == Norms::kNone) return detail;
  PC_ASSIGN_OR_RETURN(const uint64_t layer_bytes,
                      BlobSegmentBytes(detail.header.dtype, detail.header.shape));
  std::vector<uint8_t> layer(layer_bytes);
  for (size_t i = 0; i < detail.header.segments.size(); ++i) {
    PC_RETURN_IF_ERROR(ReadLayer(*reader, detail.header, i, layer));
    detail.norms.push_back(NormsOf(detail.header.dtype, detail.header.shape, layer));
  }
  return detail;
}

bool IsIntact(const BlobDetail& detail) {
  for (size_t i = 0; i < detail.recomputed.size(); ++i) {
    if (detail.recomputed[i] != detail.header.segments[i].hash.ToHex()) return false;
  }
  return true;
}

}  // namespace promptcache
