// Blobs in RocksDB. Internal to cachestore/disk; open.h is the way in.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "cachestore/disk/database.h"
#include "cachestore/disk/generations.h"
#include "cachestore/disk/manifest.h"
#include "cachestore/disk/open.h"
#include "cachestore/store.h"

namespace promptcache::internal {

// What writers and readers share with the store. Thread safe.
class BlobIndex {
 public:
  BlobIndex(std::shared_ptr<Database> database, DiskStoreOptions options);

  // Reads all manifests and drops those that are damaged. Call once.
  Result<DiskOpenReport> Load(OpenMode mode);

  // kNotFound when the key has none; kDataLoss when it is damaged, which is counted and ends it.
  // With a snapshot: what was committed then.
  Result<Manifest> Find(const UnitKey& key, const rocksdb::Snapshot* snapshot = nullptr);
  // Every manifest in key order. Damaged ones are counted, dropped and left out.
  Result<std::vector<Manifest>> All();
  // The commit point. `batch` may hold the chunks that belong to it. When the key is committed
  // already nothing is written and the generation is dropped.
  Status Commit(const Manifest& manifest, rocksdb::WriteBatch& batch);
  // Drops chunks that no manifest names.
  void Abandon(uint64_t generation);
  // Drops the blob and, if it was there, counts a corruption; only this generation of it when one
  // is given.
  enum class DropReason { kRemoved, kCorrupt };
  Status Drop(const UnitKey& key, DropReason reason, uint64_t generation = 0);
  // Counts a put that failed verification before it was committed.
  void CountRefusedPut();
  void CountGet();
  void CountHit();
  StoreStats stats() const;

  Database& database() { return *database_; }
  const std::shared_ptr<Database>& shared_database() const { return database_; }
  Generations& generations() { return generations_; }
  const DiskStoreOptions& options() const { return options_; }

 private:
  struct Scanned {
    std::vector<Manifest> manifests;  // in key order
    std::vector<UnitKey> damaged;
  };
  Result<Scanned> Scan() const;
  Result<Manifest> Read(const UnitKey& key, const rocksdb::Snapshot* snapshot) const;
  // Drops the key's manifest if it is damaged; another thread may have replaced it meanwhile.
  Status DropDamaged(const UnitKey& key);
  void Count(const std::vector<Manifest>& manifests);
  // REQUIRES: mutex_ is held.
  Status DropLocked(const Manifest& manifest);
  Status DropDamagedLocked(const UnitKey& key);

  const std::shared_ptr<Database> database_;
  const DiskStoreOptions options_;
  Generations generations_;

  std::mutex mutex_;  // one change of the set of manifests at a time

  mutable std::mutex stats_mutex_;  // taken last
  StoreStats stats_;                // guarded by stats_mutex_
};

Result<std::unique_ptr<BlobWriter>> MakeDiskWriter(std::shared_ptr<BlobIndex> index,
                                                   const UnitKey& key, uint64_t bytes);
Result<std::unique_ptr<BlobReader>> MakeDiskReader(std::shared_ptr<BlobIndex> index,
                                                   const UnitKey& key);

class DiskBlobStore : public BlobStore {
 public:
  explicit DiskBlobStore(std::shared_ptr<BlobIndex> index) : index_(std::move(index)) {}

  Result<std::unique_ptr<BlobWriter>> StartPut(const UnitKey& key, uint64_t bytes) override;
  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override;
  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override;
  Result<std::vector<BlobInfo>> List() override;
  Status Remove(const UnitKey& key) override;
  Status ReportCorrupt(const UnitKey& key) override;
  Result<StoreStats> Stats() override;

 private:
  const std::shared_ptr<BlobIndex> index_;
};

}  // namespace promptcache::internal
