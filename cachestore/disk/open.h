// The store on disk: one RocksDB directory with blobs and small records.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "cachestore/admin.h"
#include "cachestore/store.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/tenant_limits.h"

namespace promptcache {

namespace internal {
struct DiskEnvironment;
}

struct DiskStoreOptions {
  std::string directory;  // created when missing
  uint64_t max_blob_bytes = uint64_t{8} << 30;
  uint64_t quota_bytes = 0;  // of all blobs with their files; 0: as much as the disk has
  uint64_t pin_quota_bytes = uint64_t{32} << 30;
  TenantLimits tenants;                    // of units that are one tenant's alone
  uint64_t use_half_life_ms = 86'400'000;  // an import counts half as much after this long
  // A put that would leave less free on the disk is refused; below an eighth of it nothing is
  // written, until there is room again.
  uint64_t min_free_bytes = 64 << 20;
  // How often expired blobs are dropped; zero: when CollectGarbage is called, and uses are saved
  // when the store closes.
  std::chrono::milliseconds maintain_every{1'000};
  // How often uses are saved, at the next maintenance: what a crash may lose of them. Each blob
  // that was used costs a record of a synced write.
  std::chrono::milliseconds save_uses_every{30'000};
  const Clock* clock = &SystemClock();
  std::shared_ptr<const internal::DiskEnvironment> environment;  // null: the machine's
};

// As the [store] table of the settings says.
DiskStoreOptions DiskStoreOptionsOf(const StoreSettings& settings);

// What opening found.
struct DiskOpenReport {
  std::string quarantined_to;      // where a damaged directory was moved; empty: none was
  uint64_t unfinished_puts = 0;    // chunks of puts that were never committed, now dropped; also
                                   // those whose manifests were in parts that cannot be read
  uint64_t damaged_blobs = 0;      // whose manifest or file is damaged, now dropped
  uint64_t damaged_records = 0;    // of the MetaStore, passed over until they are written anew
  uint64_t records_in_damage = 0;  // of all records; those of blobs may be good nevertheless
};

// All of it stays valid as long as this lives; readers and writers may outlive it (the directory is
// then closed with the last of them). Thread safe.
class DiskStore {
 public:
  virtual ~DiskStore() = default;
  virtual BlobStore& blobs() = 0;
  virtual MetaStore& meta() = 0;
  virtual StoreAdmin& admin() = 0;
  virtual const DiskOpenReport& report() const = 0;
};

// Opens the directory for writing; one process at a time may. A damaged database is moved aside to
// DIRECTORY.quarantine.<unix ms>, an empty one takes its place, and the log says so.
// kFailedPrecondition when another process has it open or the format is of a later version,
// kInvalidArgument when the path is one of a file, kUnavailable when the file system refuses,
// kResourceExhausted when the disk is full.
Result<std::unique_ptr<DiskStore>> OpenDiskStore(const DiskStoreOptions& options);

// For looking while no process writes; what is written later is not seen. Every change is
// kFailedPrecondition. kNotFound when there is no store in the directory, kDataLoss when it is
// damaged (nothing is moved).
Result<std::unique_ptr<DiskStore>> OpenDiskStoreReadOnly(const DiskStoreOptions& options);
Result<std::unique_ptr<DiskStore>> OpenDiskStoreReadOnly(const std::string& directory);

}  // namespace promptcache
