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

// One span a layer, each BlobSegmentBytes long: tensors as they are computed with, whatever the
// layout and the encoding of the header make of them.
using BlobLayers = std::span<const std::span<const uint8_t>>;

// The whole blob in memory. `header` as for EncodeBlobHeader, but the segments are filled in here.
// kInvalidArgument when a layer has the wrong length or its layout cannot hold the values.
Result<std::vector<uint8_t>> AssembleBlob(BlobHeader header, BlobLayers layers);

// Writes the blob layer by layer and commits it. OK when the key is committed already. Otherwise
// the errors of AssembleBlob and of the store. Returns the bytes of the blob.
Result<uint64_t> WriteBlob(BlobStore& store, const BlobName& name, BlobHeader header,
                           BlobLayers layers);

// Reads and checks the header. kDataLoss when it is wrong or the blob has another size.
Result<BlobHeader> ReadBlobHeader(BlobReader& reader);

// Fills `layer`, BlobSegmentBytes long, with layer `index` and checks it; a layer that is stored as
// it is is read in place. The errors of Read and of DecodeSegment.
Status ReadLayer(BlobReader& reader, const BlobHeader& header, size_t index,
                 std::span<uint8_t> layer);

}  // namespace promptcache
