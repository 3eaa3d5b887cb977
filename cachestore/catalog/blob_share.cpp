#include "cachestore/catalog/blob_share.h"

#include <set>

namespace promptcache {

void BlobShare::Enter(const SharedBlob& blob) {
  charged_ += blob.charge;
  if (blob.pinned) {
    pinned_bytes_ += blob.bytes;
  } else {
    order_.emplace(std::pair(blob.score, blob.key), blob.charge);
  }
}

void BlobShare::Leave(const SharedBlob& blob) {
  charged_ -= blob.charge;
  if (blob.pinned) {
    pinned_bytes_ -= blob.bytes;
  } else {
    order_.erase({blob.score, blob.key});
  }
}

LeavingBlobs BlobShare::MakeRoom(uint64_t needed, uint64_t limit,
                                 const LeavingBlobs& before) const {
  const std::set<UnitKey> gone(before.keys.begin(), before.keys.end());
  uint64_t charged = charged_ + reserved_ - before.charge + needed;
  LeavingBlobs leaving;
  for (auto it = order_.begin(); it != order_.end() && charged > limit; ++it) {
    const auto& [place, charge] = *it;
    if (gone.contains(place.second)) continue;
    charged -= charge;
    leaving.charge += charge;
    leaving.keys.push_back(place.second);
  }
  leaving.fits = charged <= limit;
  return leaving;
}

}  // namespace promptcache
