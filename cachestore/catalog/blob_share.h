// Blobs that have a limit together: all of a store, or those of one tenant. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "common/types.h"

namespace promptcache {

// A blob as a share sees it.
struct SharedBlob {
  UnitKey key;
  double score = 0;  // the lowest leaves first
  uint64_t bytes = 0;
  uint64_t charge = 0;  // with what it takes besides its bytes
  bool pinned = false;
};

// Who must leave a share for something to fit.
struct LeavingBlobs {
  std::vector<UnitKey> keys;
  uint64_t charge = 0;  // of these
  bool fits = true;     // when they have gone
};

// Not thread safe.
class BlobShare {
 public:
  void Enter(const SharedBlob& blob);
  // REQUIRES: it entered, and as this.
  void Leave(const SharedBlob& blob);
  void Reserve(uint64_t charge) { reserved_ += charge; }
  void Release(uint64_t charge) { reserved_ -= charge; }

  uint64_t reserved() const { return reserved_; }
  uint64_t pinned_bytes() const { return pinned_bytes_; }

  // Who else must leave when `before` leave, for `needed` more to fit into `limit`: the cheapest
  // that are not pinned; all of these when even that does not do.
  LeavingBlobs MakeRoom(uint64_t needed, uint64_t limit, const LeavingBlobs& before = {}) const;

 private:
  std::map<std::pair<double, UnitKey>, uint64_t> order_;  // charge of those that are not pinned
  uint64_t charged_ = 0;
  uint64_t reserved_ = 0;  // by puts that run
  uint64_t pinned_bytes_ = 0;
};

}  // namespace promptcache
