// The record that makes a stored blob exist. Written last, with a synced write-ahead log.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/store.h"
#include "common/hash.h"

namespace promptcache::internal {

inline constexpr uint64_t kChunkBytes = 1 << 20;

struct Manifest {
  uint64_t generation = 0;  // names the chunks; never used twice
  BlobInfo info;
  std::vector<Hash128> chunk_hashes;  // one for each kChunkBytes of the blob, the last may be short
  bool operator==(const Manifest&) const = default;
};

inline uint64_t ChunkCount(uint64_t bytes) { return (bytes + kChunkBytes - 1) / kChunkBytes; }

// Little endian, with an XXH3-128 of everything before it at the end.
std::string EncodeManifest(const Manifest& manifest);

// kDataLoss unless checksum, version, sizes and counts agree. `key` is the one it is stored under.
Result<Manifest> DecodeManifest(const UnitKey& key, std::string_view bytes);

}  // namespace promptcache::internal
