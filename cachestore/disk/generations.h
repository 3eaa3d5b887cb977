// Numbers that name the chunks of one put. Internal to cachestore/disk.
//
// Numbers are reserved durably in batches before they are used, and every number below `swept` is
// known to have either a manifest or no chunks. Opening therefore needs to look only at what was
// reserved since the last opening to find the chunks of puts that never finished.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "cachestore/disk/database.h"

namespace promptcache::internal {

// Thread safe.
class Generations {
 public:
  explicit Generations(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  // Drops the chunks of unfinished puts and returns how many puts there were. `live` are the
  // generations of all manifests, ascending. Call once, before Next.
  Result<uint64_t> Sweep(const std::vector<uint64_t>& live);

  // Adds to the batch that the next Sweep looks at all numbers again.
  Status ForgetSwept(rocksdb::WriteBatch& batch);

  // A number never returned before, also not by an earlier process.
  Result<uint64_t> Next();

 private:
  // Chunks of generations in [first, end), none of which has a manifest.
  Result<uint64_t> SweepGap(rocksdb::WriteBatch& batch, uint64_t first, uint64_t end);

  const std::shared_ptr<Database> database_;

  std::mutex mutex_;
  // Guarded by mutex_.
  uint64_t next_ = 0;
  uint64_t reserved_ = 0;
};

}  // namespace promptcache::internal
