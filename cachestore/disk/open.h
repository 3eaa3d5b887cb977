// The store on disk: one RocksDB directory with blobs and small records.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cachestore/store.h"
#include "common/clock.h"

namespace promptcache {

struct DiskStoreOptions {
  std::string directory;  // created when missing
  uint64_t max_blob_bytes = uint64_t{8} << 30;
  // A put that would leave less free on the disk is refused, so that small records still fit.
  uint64_t min_free_bytes = 64 << 20;
  const Clock* clock = &SystemClock();
};

// What opening found.
struct DiskOpenReport {
  std::string quarantined_to;    // where a damaged directory was moved; empty: none was
  uint64_t unfinished_puts = 0;  // chunks of puts that were never committed, now dropped
  uint64_t bad_manifests = 0;    // blobs dropped because their manifest is damaged
};

// Both stores stay valid as long as this lives; readers and writers may outlive it (the directory
// is then closed with the last of them). Thread safe.
class DiskStore {
 public:
  virtual ~DiskStore() = default;
  virtual BlobStore& blobs() = 0;
  virtual MetaStore& meta() = 0;
  virtual const DiskOpenReport& report() const = 0;
};

// Opens the directory for writing; one process at a time may. A damaged database is moved aside to
// DIRECTORY.quarantine.<unix ms>, an empty one takes its place, and the log says so.
// kFailedPrecondition when another process has it open or the format is of another version,
// kUnavailable when the file system refuses.
Result<std::unique_ptr<DiskStore>> OpenDiskStore(const DiskStoreOptions& options);

// For looking while no process writes; what is written later is not seen. Every change is
// kFailedPrecondition. kNotFound when there is no store in the directory, kDataLoss when it is
// damaged (nothing is moved).
Result<std::unique_ptr<DiskStore>> OpenDiskStoreReadOnly(const std::string& directory);

}  // namespace promptcache
