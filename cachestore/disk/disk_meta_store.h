// Small records in RocksDB. Internal to cachestore/disk; open.h is the way in.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/disk/database.h"
#include "cachestore/limits.h"
#include "cachestore/store.h"

namespace promptcache::internal {

// kDataLoss when it is malformed.
Result<MetaEntry> DecodeRecord(std::string_view key, std::string_view bytes);

class DiskMetaStore : public MetaStore {
 public:
  explicit DiskMetaStore(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Result<std::optional<MetaEntry>> Get(const std::string& key) override;
  Result<uint64_t> CompareAndSet(const std::string& key, uint64_t expected,
                                 const std::string& value) override;
  Status CompareAndRemove(const std::string& key, uint64_t expected) override;
  Result<std::vector<MetaEntry>> List(const std::string& prefix, uint64_t limit_bytes) override;

 private:
  // kFailedPrecondition unless the key is at this revision. REQUIRES: its mutex is held.
  Status CheckRevision(const std::string& key, uint64_t expected);
  // Records of jobs are in a family of their own: they come and go, the others stay.
  rocksdb::ColumnFamilyHandle* FamilyOf(const std::string& key) const;
  Status AddFrom(rocksdb::ColumnFamilyHandle* family, const std::string& prefix,
                 MetaListLimit& limit, std::vector<MetaEntry>& entries) const;
  std::mutex& MutexOf(const std::string& key);

  const std::shared_ptr<Database> database_;
  // One writer a key at a time; writers of different keys share a sync of the log.
  std::array<std::mutex, 16> mutexes_;
};

}  // namespace promptcache::internal
