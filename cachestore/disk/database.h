// RocksDB as this store uses it. Internal to cachestore/disk.
//
// Column family "data": key = generation (8 bytes, big endian) + chunk (4 bytes, big endian), value
// = up to kChunkBytes of a blob. Written without the write-ahead log and flushed before the
// manifest. Generations only grow, so files never overlap and compaction moves them instead of
// rewriting them; nothing disappears by itself, as it would with FIFO compaction.
// Column family "meta": 'b' + unit key -> Manifest; 'm' + key -> revision (8 bytes, little endian)
// and value; 's' + name -> numbers of the store itself. Always written with a synced log.
#pragma once

#include <rocksdb/db.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/hash.h"
#include "common/status.h"

namespace promptcache::internal {

enum class OpenMode { kReadWrite, kReadOnly };

// kNotFound, kDataLoss (damaged), kResourceExhausted (disk full) or kUnavailable, with `what`.
Status FromRocks(const rocksdb::Status& status, std::string_view what);

// Thread safe. Closes the directory when destroyed.
class Database {
 public:
  // kFailedPrecondition: in use by another process. kDataLoss: damaged.
  static Result<std::shared_ptr<Database>> Open(const std::string& directory, OpenMode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* data() const { return data_; }
  rocksdb::ColumnFamilyHandle* meta() const { return meta_; }
  const std::string& directory() const { return directory_; }
  // kFailedPrecondition when opened for reading only.
  Status CheckWritable() const;

  // A record of "meta", as it was at the snapshot when one is given; kNotFound when there is none.
  Result<std::string> GetMeta(const std::string& key,
                              const rocksdb::Snapshot* snapshot = nullptr) const;
  // Writes the batch and syncs the log.
  Status WriteSynced(rocksdb::WriteBatch& batch, std::string_view what);
  // Adds to the batch that all chunks of the generations [first, end) are gone.
  Status DropGenerations(rocksdb::WriteBatch& batch, uint64_t first, uint64_t end);

 private:
  Database(std::string directory, OpenMode mode) : directory_(std::move(directory)), mode_(mode) {}

  // Constant after Open.
  const std::string directory_;
  const OpenMode mode_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* default_ = nullptr;
  rocksdb::ColumnFamilyHandle* data_ = nullptr;
  rocksdb::ColumnFamilyHandle* meta_ = nullptr;
};

std::string ChunkKey(uint64_t generation, uint32_t chunk);
uint64_t GenerationOfChunkKey(std::string_view chunk_key);  // REQUIRES: 8 bytes or more
std::string ManifestKey(const Digest256& unit);
std::string RecordKey(const std::string& key);

inline constexpr char kManifestTag = 'b';
inline constexpr char kRecordTag = 'm';

std::string EncodeNumber(uint64_t value);       // 8 bytes, little endian
uint64_t DecodeNumber(std::string_view bytes);  // of the first 8 bytes; 0 when there are fewer

}  // namespace promptcache::internal
