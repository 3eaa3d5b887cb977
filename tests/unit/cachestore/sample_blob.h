// Small valid blobs for tests.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cachestore/format/blob_io.h"

namespace promptcache::testing {

struct SampleBlob {
  UnitKey key;
  BlobHeader header;
  std::vector<std::vector<uint8_t>> layers;
  std::vector<uint8_t> bytes;  // the whole blob

  std::vector<std::span<const uint8_t>> LayerSpans() const {
    return {layers.begin(), layers.end()};
  }
};

struct SampleShape {
  uint32_t seed = 1;  // other seeds give other recipes and other tensors
  // At least two tokens.
  BlobShape shape = {.layers = 2, .kv_heads = 1, .tokens = 3, .head_dim = 2};
  std::string_view layout = kBlobLayout;
  BlobEncoding encoding = BlobEncoding::kPlain;
  uint8_t bits = 0xFF;  // that may be set in the tensors' bytes
};

// The same arguments give the same bytes on every machine.
SampleBlob MakeSampleBlob(const SampleShape& sample = {});

// A blob of about this many bytes, at least 1 MiB.
SampleBlob MakeLargeBlob(uint32_t seed, uint64_t bytes);

}  // namespace promptcache::testing
