// What the store, its writers and its readers share. Internal to cachestore/disk; open.h is the way
// in.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "cachestore/catalog/blob_table.h"
#include "cachestore/disk/commit_queue.h"
#include "cachestore/disk/database.h"
#include "cachestore/disk/disk_blob.h"
#include "cachestore/disk/generations.h"
#include "cachestore/disk/open.h"

namespace promptcache::internal {

// What was found in the records.
struct ScannedRecords {
  struct Found {
    Manifest manifest;
    BlobUse use;
  };
  std::vector<Found> blobs;  // in key order
  std::vector<UnitKey> damaged;
  std::vector<UnitKey> uses_alone;           // without a manifest
  std::vector<std::string> damaged_records;  // keys of the MetaStore
  // Records that stand in damaged blocks and in no other place. Manifests and uses among them that
  // pass their own checksums are good.
  uint64_t in_damaged_blocks = 0;
  uint64_t lost_walks = 0;  // kinds of records of which some could not even be found
};
// kUnavailable when the disk refuses; kFailedPrecondition when a later version wrote a manifest.
Result<ScannedRecords> ScanRecords(const Database& database);

// Which file holds a generation alone, and how large it should be.
using FilesByGeneration = std::map<uint64_t, DataFile>;
FilesByGeneration OwnFiles(const std::vector<DataFile>& files);

// Empty when the blob's file is as its manifest says, else what is wrong with it.
std::string FileDefect(const Manifest& manifest, const FilesByGeneration& files);

// Thread safe after Load.
class DiskCore : public BlobKeeper {
 public:
  DiskCore(std::shared_ptr<Database> database, const DiskStoreOptions& options);

  // Fills the table from the records and, when open for writing, drops what is damaged or belongs
  // to nothing. Call once.
  Result<DiskOpenReport> Load();

  Status Drop(std::span<const StoredBlobPtr> blobs) override;
  Status SaveUses(std::span<const KeyedUse> uses) override;

  // Drops blobs whose manifest or file is damaged, and what belongs to nothing.
  Status Repair();
  // Generations that have chunks and that nobody holds.
  std::vector<uint64_t> Orphans() const;
  // Drops their chunks and returns how many there were.
  Result<uint64_t> DropOrphans();

  BlobTable& table() { return table_; }
  CommitQueue& commits() { return commits_; }
  Generations& generations() { return *generations_; }
  const std::shared_ptr<Database>& database() const { return database_; }
  const DiskStoreOptions& options() const { return options_; }

 private:
  // Drops what cannot be read and says which blobs are damaged. REQUIRES: nothing changes.
  Result<std::vector<UnitKey>> DropBadRecords();
  Status DropRecords(std::span<const UnitKey> manifests, std::span<const UnitKey> uses);

  const std::shared_ptr<Database> database_;
  const DiskStoreOptions options_;
  const std::shared_ptr<Generations> generations_ = std::make_shared<Generations>();
  BlobTable table_;
  CommitQueue commits_;
};

Result<std::unique_ptr<BlobWriter>> MakeDiskWriter(std::shared_ptr<DiskCore> core,
                                                   const PutRequest& put);
enum class OnDamage : uint8_t { kDrop, kTell };
std::unique_ptr<BlobReader> MakeDiskReader(std::shared_ptr<DiskCore> core, StoredBlobPtr blob,
                                           OnDamage on_damage);
// Compares everything with everything. Nothing is repaired.
Result<CheckReport> CheckDisk(DiskCore& core);

}  // namespace promptcache::internal
