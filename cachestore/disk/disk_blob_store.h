// The blobs of a store on disk, for workers and for operators. Internal to cachestore/disk.
#pragma once

#include <memory>

#include "cachestore/disk/disk_core.h"

namespace promptcache::internal {

class DiskBlobStore : public BlobStore, public StoreAdmin {
 public:
  explicit DiskBlobStore(std::shared_ptr<DiskCore> core) : core_(std::move(core)) {}

  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) override;
  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override;
  Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) override;
  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override;
  Result<BlobPage> List(const BlobPageRequest& request) override;
  Status RecordImports(std::span<const UnitImport> imports) override;
  Status Remove(const UnitKey& key) override;
  Status ReportCorrupt(const UnitKey& key) override;
  Result<StoreStats> Stats() override;

  Result<RemovalReceipt> RemoveReferences(const BlobSelector& selector, Erasure erasure) override;
  Result<PinReceipt> SetPins(const BlobSelector& selector, PinChange change) override;
  Result<CheckReport> Check(CheckMode mode) override;
  Result<GarbageReport> CollectGarbage() override;

 private:
  Status CheckWritable() const { return core_->database()->CheckWritable(); }
  BlobTable& table() const { return core_->table(); }

  const std::shared_ptr<DiskCore> core_;
};

}  // namespace promptcache::internal
