// What a BlobTable tells.
#include <algorithm>
#include <shared_mutex>

#include "cachestore/catalog/blob_table.h"

namespace promptcache {

Result<StoredBlobPtr> BlobTable::Find(const UnitKey& key, Purpose purpose) {
  const uint64_t now = clock_.UnixMillis();
  const bool counted = purpose == Purpose::kUse;
  if (counted) ++counters_.gets;
  std::shared_lock lock(mutex_);
  const auto found = blobs_.find(key);
  if (found == blobs_.end() || catalog_.Find(key, now) == nullptr) {
    return NotFound("unit " + key.ToHex() + " is not stored");
  }
  if (counted) ++counters_.hits;
  return found->second;
}

std::vector<bool> BlobTable::Contains(std::span<const UnitKey> keys) const {
  const uint64_t now = clock_.UnixMillis();
  std::shared_lock lock(mutex_);
  std::vector<bool> present;
  present.reserve(keys.size());
  for (const UnitKey& key : keys) {
    present.push_back(blobs_.contains(key) && catalog_.Find(key, now) != nullptr);
  }
  return present;
}

BlobPage BlobTable::List(const BlobPageRequest& request) const {
  const uint64_t now = clock_.UnixMillis();
  std::shared_lock lock(mutex_);
  BlobPage page;
  auto it = request.after ? blobs_.upper_bound(*request.after) : blobs_.begin();
  for (; it != blobs_.end(); ++it) {
    const CatalogBlob* known = catalog_.Find(it->first, now);
    if (known == nullptr) continue;
    if (page.blobs.size() == std::max<uint32_t>(1, request.limit)) {
      page.more = true;
      break;
    }
    page.blobs.push_back(it->second->info);
    page.blobs.back().use = known->use;
  }
  return page;
}

std::vector<StoredBlobPtr> BlobTable::Stored() const {
  std::shared_lock lock(mutex_);
  std::vector<StoredBlobPtr> stored;
  for (const auto& [key, blob] : blobs_) stored.push_back(blob);
  return stored;
}

uint64_t BlobTable::references() const {
  std::shared_lock lock(mutex_);
  return catalog_.references();
}

StoreStats BlobTable::stats() const {
  std::shared_lock lock(mutex_);
  return {.blobs = blobs_.size(),
          .bytes = catalog_.bytes(),
          .puts = counters_.puts,
          .gets = counters_.gets,
          .hits = counters_.hits,
          .corruptions = counters_.corruptions,
          .evictions = counters_.evictions,
          .expirations = counters_.expirations,
          .refused_pins = catalog_.refused_pins(),
          .pinned_bytes = catalog_.pinned_bytes(),
          .quota_bytes = catalog_.limits().quota_bytes,
          .pin_quota_bytes = catalog_.limits().pin_quota_bytes,
          .payload_bytes = counters_.payload_bytes,
          .lock_wait_us = static_cast<uint64_t>(
              std::chrono::duration_cast<std::chrono::microseconds>(mutex_.waited()).count())};
}

}  // namespace promptcache
