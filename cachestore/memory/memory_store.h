// Stores that live in memory: for tests, for a worker without a cachestore, for `promptcache run`.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cachestore/admin.h"
#include "common/clock.h"
#include "common/tenant_limits.h"

namespace promptcache {

struct MemoryStoreOptions {
  uint64_t max_blob_bytes = uint64_t{8} << 30;
  uint64_t quota_bytes = uint64_t{64} << 30;      // committed and being written
  uint64_t pin_quota_bytes = uint64_t{32} << 30;  // of it
  TenantLimits tenants;                           // of units that are one tenant's alone
  const Clock* clock = &SystemClock();
};

// Thread safe. Writers and readers may outlive the store.
class MemoryBlobStore : public BlobStore, public StoreAdmin {
 public:
  explicit MemoryBlobStore(MemoryStoreOptions options = {});
  ~MemoryBlobStore() override;

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
  struct State;
  class Writer;
  class Reader;
  const std::shared_ptr<State> state_;
};

// Thread safe.
class MemoryMetaStore : public MetaStore {
 public:
  Result<std::optional<MetaEntry>> Get(const std::string& key) override;
  Result<uint64_t> CompareAndSet(const std::string& key, uint64_t expected,
                                 const std::string& value, const MetaFence& fence = {}) override;
  Status CompareAndRemove(const std::string& key, uint64_t expected,
                          const MetaFence& fence = {}) override;
  Result<MetaPage> Page(const MetaPageRequest& request) override;

 private:
  // REQUIRES, both: mutex_ is held.
  uint64_t RevisionOf(const std::string& key) const;
  Status CheckRevisions(const std::string& key, uint64_t expected, const MetaFence& fence) const;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, MetaEntry> entries_;
  uint64_t writes_ = 0;  // with removals: no key has ever had a higher revision
};

}  // namespace promptcache
