// Small records in RocksDB. Internal to cachestore/disk; open.h is the way in.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/disk/database.h"
#include "cachestore/store.h"

namespace promptcache::internal {

// kDataLoss when it is malformed.
Result<MetaEntry> DecodeRecord(std::string_view key, std::string_view bytes);

class DiskMetaStore : public MetaStore {
 public:
  explicit DiskMetaStore(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Result<std::optional<MetaEntry>> Get(const std::string& key) override;
  Result<uint64_t> CompareAndSet(const std::string& key, uint64_t expected,
                                 const std::string& value, const MetaFence& fence = {}) override;
  Status CompareAndRemove(const std::string& key, uint64_t expected,
                          const MetaFence& fence = {}) override;
  Result<MetaPage> Page(const MetaPageRequest& request) override;

 private:
  struct Locks {
    std::unique_lock<std::shared_mutex> record;
    std::shared_lock<std::shared_mutex> fence;
  };

  // While they are held nobody else writes the record, nor the one that fences it.
  Locks Lock(const std::string& key, const MetaFence& fence);
  // kFailedPrecondition unless the key is at this revision. REQUIRES: its mutex is held.
  Status CheckRevision(const std::string& key, uint64_t expected);
  Status CheckRevisions(const std::string& key, uint64_t expected, const MetaFence& fence);
  // Records of jobs are in a family of their own: they come and go, the others stay.
  rocksdb::ColumnFamilyHandle* FamilyOf(const std::string& key) const;
  // Calls `add` with each record that can be read, until it says no.
  Status Walk(rocksdb::ColumnFamilyHandle* family, const MetaPageRequest& request,
              const std::function<bool(MetaEntry)>& add) const;
  std::shared_mutex& MutexOf(const std::string& key);

  const std::shared_ptr<Database> database_;
  // One writer a key at a time; writers of different keys share a sync of the log, also those with
  // one fence: they share its mutex.
  std::array<std::shared_mutex, 16> mutexes_;
};

}  // namespace promptcache::internal
