// The records that the store keeps of a blob: the manifest, which makes it exist and is written
// last, and its use, which changes. Internal to cachestore/disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/store.h"
#include "common/hash.h"

namespace promptcache::internal {

inline constexpr uint64_t kChunkBytes = 1 << 20;

struct ChunkRecord {
  Hash128 hash;  // XXH3-128 of its bytes
  // Where its bytes begin in the table file; 0: not known, RocksDB finds it.
  uint64_t file_offset = 0;
  bool operator==(const ChunkRecord&) const = default;
};

struct Manifest {
  uint64_t generation = 0;  // names the chunks; never used twice
  // The table file holds this blob alone. Version 1 wrote chunks of several blobs into one.
  bool own_file = true;
  BlobInfo info;                    // but for `use`
  std::vector<ChunkRecord> chunks;  // one for each kChunkBytes of the blob, the last may be short
  bool operator==(const Manifest&) const = default;
};

inline uint64_t ChunkCount(uint64_t bytes) { return (bytes + kChunkBytes - 1) / kChunkBytes; }

// Of the present version. REQUIRES: own_file.
std::string EncodeManifest(const Manifest& manifest);

// kDataLoss unless checksum, sizes and counts agree; kFailedPrecondition when it is whole and of a
// later version. `key` is the one it is stored under.
Result<Manifest> DecodeManifest(const UnitKey& key, std::string_view bytes);

std::string EncodeUse(const BlobUse& use);
// kDataLoss when it is damaged.
Result<BlobUse> DecodeUse(const UnitKey& key, std::string_view bytes);

}  // namespace promptcache::internal
