// The units in memory as the engine has told of them: what coordinators are told. Internal to
// worker/service.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "worker/kv/unit_changes.h"

namespace promptcache {

// Not thread safe.
class ResidentUnits {
 public:
  void Apply(const UnitChanges& changes) {
    for (const UnitKey& key : changes.added) {
      if (keys_.insert(key).second) digest_ ^= key.Head();
    }
    for (const UnitKey& key : changes.removed) {
      if (keys_.erase(key) > 0) digest_ ^= key.Head();
    }
  }

  std::vector<UnitKey> keys() const { return {keys_.begin(), keys_.end()}; }
  // As Heartbeat::residency_digest.
  uint64_t digest() const { return digest_; }

 private:
  std::unordered_set<UnitKey> keys_;
  uint64_t digest_ = 0;
};

}  // namespace promptcache
