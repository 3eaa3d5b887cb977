// A layer's tensors to the segment that is stored of them, and back: layout, then encoding. Pure
// and thread safe; hostile bytes are safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cachestore/format/blob.h"

namespace promptcache {

// The segment is the layer, byte by byte.
bool StoresLayersAsTheyAre(const BlobHeader& header);

struct EncodedSegment {
  std::vector<uint8_t> bytes;  // to be stored
  Hash128 plain_hash;
};

// `layer`: BlobSegmentBytes long, [K|V][kv_head][token][dim]. Layout, encoding, dtype and shape are
// the header's. kInvalidArgument when the layout cannot hold the values.
Result<EncodedSegment> EncodeSegment(const BlobHeader& header, std::span<const uint8_t> layer);

// Fills `layer` from segment `index` as it was stored. kDataLoss naming the layer unless it decodes
// to bytes with the plain hash. kInvalidArgument when there is no such segment or `layer` is not
// BlobSegmentBytes long.
Status DecodeSegment(const BlobHeader& header, size_t index, std::span<const uint8_t> stored,
                     std::span<uint8_t> layer);

}  // namespace promptcache
