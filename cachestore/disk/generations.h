// Numbers that name the chunks of one put. Internal to cachestore/disk.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>

namespace promptcache::internal {

// A number somebody uses. Held by its writer and then by its blob; chunks whose number nobody holds
// belong to nothing.
using Generation = std::shared_ptr<const uint64_t>;

// Thread safe. Held by shared_ptr: the numbers keep it alive.
class Generations : public std::enable_shared_from_this<Generations> {
 public:
  // A number larger than all before it.
  Generation Next();
  // One that was given by an earlier process.
  Generation Hold(uint64_t number);
  bool IsHeld(uint64_t number) const;
  // Next gives larger ones than this.
  void StartAfter(uint64_t number);

 private:
  Generation HoldLocked(uint64_t number);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  uint64_t last_ = 0;
  std::set<uint64_t> held_;
};

}  // namespace promptcache::internal
