// RocksDB as this store uses it. Internal to cachestore/disk.
//
// Column family "data": key = generation (8 bytes, big endian) + chunk (4 bytes, big endian), value
// = up to kChunkBytes of a blob. One table file a blob, written beside the database, synced and
// ingested: no log, no memtable, no compaction. Generations only grow, so files never overlap and
// each stays in the last level until its blob is dropped, which deletes the file.
// Column family "meta": 'b' + unit key -> Manifest; 'u' + unit key -> BlobUse; 'm' + key ->
// revision (8 bytes, little endian) and value; 's' + name -> numbers of the store itself. Column
// family "journal": 'm' + key for the records of jobs. Both always with a synced log.
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/disk/environment.h"
#include "common/hash.h"
#include "common/status.h"

namespace promptcache::internal {

enum class OpenMode { kReadWrite, kReadOnly };

// The version of the directory that is written; older ones are read.
inline constexpr uint64_t kDirectoryVersion = 2;

// kNotFound, kDataLoss (damaged), kResourceExhausted (disk full) or kUnavailable, with `what`.
Status FromRocks(const rocksdb::Status& status, std::string_view what);

struct DatabaseOptions {
  std::string directory;
  OpenMode mode = OpenMode::kReadWrite;
  // Nothing is written while less than this is free: a disk that is full tears the log.
  uint64_t min_free_bytes = 0;
  std::shared_ptr<const DiskEnvironment> environment = std::make_shared<DiskEnvironment>();
};

// A table file of the data.
struct DataFile {
  std::string path;
  uint64_t bytes = 0;  // as the database knows it
  uint64_t first_generation = 0;
  uint64_t last_generation = 0;
};

// Thread safe. Closes the directory when destroyed.
class Database {
 public:
  // kFailedPrecondition: in use by another process, or of a later version. kDataLoss: damaged.
  static Result<std::shared_ptr<Database>> Open(const DatabaseOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* data() const { return data_; }
  rocksdb::ColumnFamilyHandle* meta() const { return meta_; }
  rocksdb::ColumnFamilyHandle* journal() const { return journal_; }  // null in version 1, read-only
  const std::string& directory() const { return options_.directory; }
  OpenMode mode() const { return options_.mode; }
  std::string IncomingPath(uint64_t generation) const;  // where a file to be ingested is written
  const rocksdb::Options& TableOptions() const { return table_options_; }  // for writing it
  rocksdb::Env& env() const { return *options_.environment->env; }
  Result<uint64_t> FreeBytes() const;

  // kFailedPrecondition when opened for reading only; kResourceExhausted while the disk is full.
  Status CheckWritable() const;

  // A record of "meta"; kNotFound when there is none.
  Result<std::string> GetMeta(const std::string& key) const;
  // Writes the present version down unless it stands there. REQUIRES: writing; nothing that was
  // found is of a later version.
  Status MarkVersion();
  // Writes the batch and syncs the log; twice when the log was torn meanwhile, so nobody else may
  // write its keys. After an error what it writes may be there or not.
  Status WriteSynced(rocksdb::WriteBatch& batch, std::string_view what);
  // Takes in table files written at IncomingPath, all or none, durably, and returns where they are
  // now, in order.
  Result<std::vector<std::string>> Ingest(std::span<const std::string> incoming);
  // Deletes the files that hold nothing but these generations, durably.
  Status DropFiles(std::span<const uint64_t> generations);
  // Of a generation whose file holds others too (version 1): deletes its chunks and rewrites the
  // file without them.
  Status DropShared(uint64_t generation);
  std::vector<DataFile> DataFiles() const;
  // Bytes written since opening: table files, logs, rewriting.
  uint64_t WrittenBytes() const;

 private:
  class Listener;

  explicit Database(DatabaseOptions options);
  Status OpenFamilies();
  // kFailedPrecondition when a later version wrote the directory.
  Status CheckVersion();
  // RocksDB goes on in a log of which a part could not be written, and may not find what follows
  // there. This begins a new log, unless that was done since `known_errors` were all there were;
  // the caller then writes again. REQUIRES: it has just written, else RocksDB keeps the log.
  Status LeaveTornLog(uint64_t known_errors);

  // Constant after Open.
  const DatabaseOptions options_;
  std::shared_ptr<Listener> listener_;
  std::shared_ptr<rocksdb::Statistics> statistics_;
  std::unique_ptr<rocksdb::DB> db_;
  bool is_marked_ = false;  // with the present version
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  rocksdb::Options table_options_;
  rocksdb::ColumnFamilyHandle* data_ = nullptr;
  rocksdb::ColumnFamilyHandle* meta_ = nullptr;
  rocksdb::ColumnFamilyHandle* journal_ = nullptr;

  std::atomic<uint64_t> ingested_bytes_ = 0;

  std::mutex log_mutex_;                       // held while a new log is begun
  std::atomic<uint64_t> left_log_errors_ = 0;  // of the logs before the present one
};

std::string ChunkKey(uint64_t generation, uint32_t chunk);
uint64_t GenerationOfChunkKey(std::string_view chunk_key);  // REQUIRES: 8 bytes or more
std::string ManifestKey(const Digest256& unit);
std::string UseKey(const Digest256& unit);
std::string RecordKey(const std::string& key);

inline constexpr char kManifestTag = 'b';
inline constexpr char kUseTag = 'u';
inline constexpr char kRecordTag = 'm';

std::string EncodeNumber(uint64_t value);       // 8 bytes, little endian
uint64_t DecodeNumber(std::string_view bytes);  // of the first 8 bytes; 0 when there are fewer

}  // namespace promptcache::internal
