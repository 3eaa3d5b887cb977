// Blobs to and from a store.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cachestore/format/blob.h"
#include "cachestore/store.h"

namespace promptcache {

// What a blob is stored under, and who uses it.
struct BlobName {
  UnitKey key;
  std::vector<Import> imports;
};

// One span a layer, each BlobSegmentBytes long.
using BlobLayers = std::span<const std::span<const uint8_t>>;

// The whole blob in memory. `header` as for EncodeBlobHeader, but the hashes are computed here.
// kInvalidArgument when a layer has the wrong length.
Result<std::vector<uint8_t>> AssembleBlob(BlobHeader header, BlobLayers layers);

// Writes the blob layer by layer and commits it. OK when the key is committed already. Otherwise
// the errors of AssembleBlob and of the store. Returns the bytes of the blob.
Result<uint64_t> WriteBlob(BlobStore& store, const BlobName& name, BlobHeader header,
                           BlobLayers layers);

// Reads and checks the header; the layers are then read with Read(segment.offset, ...) and checked
// with VerifySegment. kDataLoss when the header is wrong or the blob has another size.
Result<BlobHeader> ReadBlobHeader(BlobReader& reader);

}  // namespace promptcache
