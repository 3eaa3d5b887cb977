#include "cachestore/disk/disk_blob_store.h"

#include <filesystem>

#include "cachestore/limits.h"

namespace promptcache::internal {

Result<std::unique_ptr<BlobWriter>> DiskBlobStore::StartPut(const PutRequest& put) {
  PC_RETURN_IF_ERROR(CheckBlobBytes(put.bytes, core_->options().max_blob_bytes));
  return MakeDiskWriter(core_, put);
}

Result<std::unique_ptr<BlobReader>> DiskBlobStore::Open(const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(StoredBlobPtr blob, table().Find(key, BlobTable::Purpose::kUse));
  return MakeDiskReader(core_, std::move(blob), OnDamage::kDrop);
}

Result<std::unique_ptr<BlobReader>> DiskBlobStore::Inspect(const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(StoredBlobPtr blob, table().Find(key, BlobTable::Purpose::kInspect));
  return MakeDiskReader(core_, std::move(blob), OnDamage::kTell);
}

Result<std::vector<bool>> DiskBlobStore::Contains(std::span<const UnitKey> keys) {
  return table().Contains(keys);
}

Result<BlobPage> DiskBlobStore::List(const BlobPageRequest& request) {
  return table().List(request);
}

Status DiskBlobStore::RecordImports(std::span<const UnitImport> imports) {
  PC_RETURN_IF_ERROR(CheckWritable());
  return table().RecordImports(imports);
}

Status DiskBlobStore::Remove(const UnitKey& key) {
  PC_RETURN_IF_ERROR(CheckWritable());
  return table().Drop(key, BlobTable::DropReason::kRemoved);
}

Status DiskBlobStore::ReportCorrupt(const UnitKey& key) {
  PC_RETURN_IF_ERROR(CheckWritable());
  return table().Drop(key, BlobTable::DropReason::kCorrupt);
}

Result<StoreStats> DiskBlobStore::Stats() {
  StoreStats stats = table().stats();
  const Result<uint64_t> free = core_->database()->FreeBytes();
  if (free.ok()) stats.free_bytes = *free;
  stats.written_bytes = core_->database()->WrittenBytes();
  stats.read_only = CheckWritable().message();
  return stats;
}

Result<RemovalReceipt> DiskBlobStore::RemoveReferences(const BlobSelector& selector,
                                                       Erasure erasure) {
  PC_RETURN_IF_ERROR(CheckWritable());
  struct Place {
    std::string file;  // empty when it is shared with other blobs
    std::weak_ptr<const StoredBlob> blob;
  };
  std::map<UnitKey, Place> places;
  if (erasure == Erasure::kProve) {
    for (const StoredBlobPtr& blob : table().Stored()) {
      places[blob->info.key] = {static_cast<const DiskBlob&>(*blob).place.file, blob};
    }
  }
  PC_ASSIGN_OR_RETURN(RemovalReceipt receipt, table().RemoveReferences(selector));
  if (erasure == Erasure::kDrop) return receipt;
  for (const RemovedBlob& removed : receipt.removed) {
    const Place& place = places[removed.key];
    // A file shared with other blobs is rewritten without it when its last reader goes.
    if (!place.blob.expired() || (!place.file.empty() && std::filesystem::exists(place.file))) {
      receipt.still_on_disk.push_back(removed.key);
    }
  }
  return receipt;
}

Result<PinReceipt> DiskBlobStore::SetPins(const BlobSelector& selector, PinChange change) {
  PC_RETURN_IF_ERROR(CheckWritable());
  return table().SetPins(selector, change);
}

Result<CheckReport> DiskBlobStore::Check(CheckMode mode) {
  if (mode == CheckMode::kReport) return CheckDisk(*core_);
  PC_RETURN_IF_ERROR(CheckWritable());
  PC_ASSIGN_OR_RETURN(CheckReport before, CheckDisk(*core_));
  PC_RETURN_IF_ERROR(core_->Repair());
  PC_ASSIGN_OR_RETURN(const CheckReport after, CheckDisk(*core_));
  for (CheckFinding& finding : before.findings) {
    finding.repaired =
        std::find(after.findings.begin(), after.findings.end(), finding) == after.findings.end();
  }
  return before;
}

Result<GarbageReport> DiskBlobStore::CollectGarbage() {
  PC_RETURN_IF_ERROR(CheckWritable());
  PC_ASSIGN_OR_RETURN(GarbageReport report, table().CollectGarbage());
  PC_ASSIGN_OR_RETURN(report.orphans, core_->DropOrphans());
  return report;
}

}  // namespace promptcache::internal
