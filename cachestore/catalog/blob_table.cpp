#include "cachestore/catalog/blob_table.h"

#include <algorithm>
#include <ranges>

#include "cachestore/limits.h"
#include "common/log.h"

namespace promptcache {

void BlobTable::Restore(std::shared_ptr<StoredBlob> blob, BlobUse use) {
  std::lock_guard lock(mutex_);
  const BlobInfo& info = blob->info;
  catalog_.Restore(
      info.key,
      {.bytes = info.bytes, .encode_seconds = info.encode_seconds, .use = std::move(use)});
  blobs_[info.key] = std::move(blob);
}

// ---- puts ----

Status BlobTable::StartPut(const PutRequest& put, const CheckRoom& check) {
  PC_RETURN_IF_ERROR(CheckReferences(put.imports));
  const uint64_t now = clock_.UnixMillis();
  std::unique_lock change(change_mutex_);
  PC_RETURN_IF_ERROR(DropExpired(put.key, now));
  uint64_t reserved = 0;
  uint64_t freed = 0;
  Result<std::vector<UnitKey>> victims = [&] {
    std::lock_guard lock(mutex_);
    auto chosen = catalog_.StartPut(put, now);
    reserved = catalog_.reserved_bytes();
    if (chosen.ok()) freed = BytesOf(*chosen);
    return chosen;
  }();
  if (victims.status().code() == Code::kAlreadyExists) {
    change.unlock();
    std::vector<UnitImport> imports;
    for (const Import& import : put.imports) imports.push_back({put.key, import});
    PC_RETURN_IF_ERROR(RecordEach(imports, &Catalog::RecordReference));
  }
  PC_RETURN_IF_ERROR(victims.status());
  Status dropped = check(reserved, freed);
  if (dropped.ok()) dropped = DropNow(*victims);
  std::lock_guard lock(mutex_);
  if (!dropped.ok()) {
    catalog_.EndPut(put.key, put.bytes);
    return dropped;
  }
  counters_.evictions += victims->size();
  return {};
}

void BlobTable::EndPut(const UnitKey& key, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  catalog_.EndPut(key, bytes);
}

void BlobTable::AbandonPut(const UnitKey& key, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  catalog_.EndPut(key, bytes);
  if (!blobs_.contains(key)) catalog_.Erase(key);
}

Status BlobTable::Commit(std::span<const NewBlob> blobs, const WriteNew& write) {
  std::lock_guard change(change_mutex_);
  std::vector<UnitKey> keys;
  std::vector<KeyedUse> uses;
  {
    std::lock_guard lock(mutex_);
    const uint64_t now = clock_.UnixMillis();
    for (const NewBlob& added : blobs) {
      const BlobInfo& info = added.blob->info;
      keys.push_back(info.key);
      const std::vector<Import> meanwhile = catalog_.EndPut(info.key, info.bytes);
      catalog_.Insert(info.key, {.bytes = info.bytes, .encode_seconds = info.encode_seconds},
                      added.imports, now);
      for (const Import& import : meanwhile) (void)catalog_.RecordImport(info.key, import, now);
    }
    uses = UsesOf(keys);
  }
  const Status written = write(uses);
  std::lock_guard lock(mutex_);
  for (const NewBlob& added : blobs) {
    const BlobInfo& info = added.blob->info;
    if (written.ok()) {
      blobs_[info.key] = added.blob;
      ++counters_.puts;
      counters_.payload_bytes += info.bytes;
    } else {
      Forget(info.key);
    }
  }
  return written;
}

void BlobTable::CountCorruptions(uint64_t count) {
  std::lock_guard lock(mutex_);
  counters_.corruptions += count;
}

// ---- changes ----

Status BlobTable::RecordImports(std::span<const UnitImport> imports) {
  PC_RETURN_IF_ERROR(CheckReferences(imports | std::views::transform(&UnitImport::import)));
  return RecordEach(imports, &Catalog::RecordImport);
}

Status BlobTable::RecordEach(std::span<const UnitImport> imports, Record record) {
  const uint64_t now = clock_.UnixMillis();
  std::lock_guard change(change_mutex_);
  std::vector<UnitKey> urgent;
  {
    std::lock_guard lock(mutex_);
    for (const UnitImport& one : imports) {
      // What has expired is not brought back to life: it would come from the disk as if new.
      if (catalog_.Find(one.key, now) == nullptr) {
        catalog_.AddToPut(one.key, one.import);
        continue;
      }
      unsaved_.insert(one.key);
      if ((catalog_.*record)(one.key, one.import, now) == Durability::kNow) {
        urgent.push_back(one.key);
      }
    }
  }
  return SaveNow(urgent);
}

Status BlobTable::Drop(const UnitKey& key, DropReason reason, const StoredBlob* only) {
  std::lock_guard change(change_mutex_);
  {
    std::lock_guard lock(mutex_);
    const auto found = blobs_.find(key);
    if (found == blobs_.end() || (only != nullptr && found->second.get() != only)) return {};
  }
  if (reason == DropReason::kCorrupt) {
    Log(LogLevel::kError, "store.blob_damaged", {{"unit", key.ToHex()}});
  }
  PC_RETURN_IF_ERROR(DropNow({&key, 1}));
  if (reason == DropReason::kCorrupt) CountCorruptions(1);
  return {};
}

Status BlobTable::WhileUnchanged(const std::function<Status()>& look) {
  std::lock_guard change(change_mutex_);
  return look();
}

Status BlobTable::DropFound(const Look& look) {
  std::lock_guard change(change_mutex_);
  PC_ASSIGN_OR_RETURN(std::vector<UnitKey> damaged, look());
  {
    std::lock_guard lock(mutex_);
    std::erase_if(damaged, [&](const UnitKey& key) { return !blobs_.contains(key); });
  }
  PC_RETURN_IF_ERROR(DropNow(damaged));
  CountCorruptions(damaged.size());
  return {};
}

Result<RemovalReceipt> BlobTable::RemoveReferences(const BlobSelector& selector) {
  PC_RETURN_IF_ERROR(CheckSelector(selector));
  std::lock_guard change(change_mutex_);
  RemovalReceipt receipt;
  std::vector<UnitKey> ended;
  std::vector<UnitKey> kept;
  std::vector<KeyedUse> before;
  {
    std::lock_guard lock(mutex_);
    const std::vector<UnitKey> keys = KeysMatching(selector);
    before = UsesOf(keys);
    for (const UnitKey& key : keys) {
      const Catalog::Dropped dropped = catalog_.RemoveReferences(key, selector);
      receipt.references += dropped.references;
      (dropped.unreferenced ? ended : kept).push_back(key);
      const CatalogBlob& blob = *catalog_.FindStored(key);
      if (dropped.unreferenced) {
        receipt.removed.push_back({key, blob.bytes});
        continue;
      }
      KeptBlob shared{.key = key, .bytes = blob.bytes};
      for (const auto& left : blob.use.references) shared.references.push_back(left.reference);
      receipt.shared.push_back(std::move(shared));
    }
  }
  Status status = SaveNow(kept);
  if (status.ok()) status = DropNow(ended);
  if (status.ok()) return receipt;
  // Nothing was promised: what is known of them is again what it was.
  std::lock_guard lock(mutex_);
  for (KeyedUse& one : before) {
    CatalogBlob blob = *catalog_.FindStored(one.key);
    blob.use = std::move(one.use);
    catalog_.Restore(one.key, std::move(blob));
    unsaved_.insert(one.key);
  }
  return status;
}

Result<PinReceipt> BlobTable::SetPins(const BlobSelector& selector, PinChange change) {
  PC_RETURN_IF_ERROR(CheckSelector(selector));
  const uint64_t now = clock_.UnixMillis();
  std::lock_guard change_lock(change_mutex_);
  PinReceipt receipt;
  std::vector<UnitKey> changed;
  {
    std::lock_guard lock(mutex_);
    for (const UnitKey& key : KeysMatching(selector)) {
      if (catalog_.Find(key, now) == nullptr) continue;  // a pin does not bring it back to life
      const Result<bool> pin = catalog_.SetPin(key, change);
      if (!pin.ok()) ++receipt.refused;
      if (pin.ok() && *pin) changed.push_back(key);
    }
    receipt.blobs = changed.size();
    receipt.pinned_bytes = catalog_.pinned_bytes();
    receipt.pin_quota_bytes = catalog_.limits().pin_quota_bytes;
  }
  const Status saved = SaveNow(changed);
  if (saved.ok()) return receipt;
  std::lock_guard lock(mutex_);
  const PinChange back = change == PinChange::kPin ? PinChange::kUnpin : PinChange::kPin;
  for (const UnitKey& key : changed) (void)catalog_.SetPin(key, back);
  return saved;
}

Result<GarbageReport> BlobTable::CollectGarbage() {
  const uint64_t now = clock_.UnixMillis();
  std::lock_guard change(change_mutex_);
  GarbageReport report;
  Catalog::Expired expired;
  std::vector<UnitKey> evicted;
  {
    std::lock_guard lock(mutex_);
    expired = catalog_.TakeExpired(now);
    report.expired_references = expired.references;
    report.freed_bytes += BytesOf(expired.blobs);
    unsaved_.insert(expired.changed.begin(), expired.changed.end());
  }
  PC_RETURN_IF_ERROR(DropNow(expired.blobs));
  report.expired_blobs = expired.blobs.size();
  {
    std::lock_guard lock(mutex_);
    counters_.expirations += expired.blobs.size();
    evicted = catalog_.OverQuota();
    report.freed_bytes += BytesOf(evicted);
  }
  PC_RETURN_IF_ERROR(DropNow(evicted));
  report.evicted_blobs = evicted.size();
  std::lock_guard lock(mutex_);
  counters_.evictions += evicted.size();
  return report;
}

Status BlobTable::SaveUses() {
  std::lock_guard change(change_mutex_);
  std::vector<UnitKey> keys;
  {
    std::lock_guard lock(mutex_);
    keys.assign(unsaved_.begin(), unsaved_.end());
  }
  return SaveNow(keys);
}

// ---- details ----

std::vector<StoredBlobPtr> BlobTable::BlobsOf(std::span<const UnitKey> keys) const {
  std::vector<StoredBlobPtr> blobs;
  for (const UnitKey& key : keys) blobs.push_back(blobs_.at(key));
  return blobs;
}

uint64_t BlobTable::BytesOf(std::span<const UnitKey> keys) const {
  uint64_t bytes = 0;
  for (const UnitKey& key : keys) bytes += blobs_.at(key)->info.bytes;
  return bytes;
}

std::vector<KeyedUse> BlobTable::UsesOf(std::span<const UnitKey> keys) const {
  std::vector<KeyedUse> uses;
  for (const UnitKey& key : keys) {
    const CatalogBlob* blob = catalog_.FindStored(key);
    if (blob != nullptr) uses.push_back({key, blob->use});
  }
  return uses;
}

std::vector<UnitKey> BlobTable::KeysMatching(const BlobSelector& selector) const {
  std::vector<UnitKey> keys;
  const auto add = [&](const UnitKey& key, const BlobUse& use) {
    const bool matches =
        !selector.names_references() ||
        std::any_of(use.references.begin(), use.references.end(),
                    [&](const BlobReference& one) { return selector.Matches(one.reference); });
    if (matches) keys.push_back(key);
  };
  if (selector.keys.empty()) {
    for (const auto& [key, blob] : blobs_) add(key, catalog_.FindStored(key)->use);
    return keys;
  }
  for (const UnitKey& key : std::set<UnitKey>(selector.keys.begin(), selector.keys.end())) {
    if (blobs_.contains(key)) add(key, catalog_.FindStored(key)->use);
  }
  return keys;
}

void BlobTable::Forget(const UnitKey& key) {
  catalog_.Erase(key);
  blobs_.erase(key);
  unsaved_.erase(key);
}

Status BlobTable::DropExpired(const UnitKey& key, uint64_t now_ms) {
  {
    std::lock_guard lock(mutex_);
    if (!blobs_.contains(key) || catalog_.Find(key, now_ms) != nullptr) return {};
  }
  PC_RETURN_IF_ERROR(DropNow({&key, 1}));
  std::lock_guard lock(mutex_);
  ++counters_.expirations;
  return {};
}

Status BlobTable::DropNow(std::span<const UnitKey> keys) {
  if (keys.empty()) return {};
  std::vector<StoredBlobPtr> blobs;
  {
    std::lock_guard lock(mutex_);
    blobs = BlobsOf(keys);
  }
  PC_RETURN_IF_ERROR(keeper_.Drop(blobs));
  std::lock_guard lock(mutex_);
  for (const UnitKey& key : keys) Forget(key);
  return {};
}

Status BlobTable::SaveNow(std::span<const UnitKey> keys) {
  if (keys.empty()) return {};
  std::vector<KeyedUse> uses;
  {
    std::lock_guard lock(mutex_);
    uses = UsesOf(keys);
    for (const UnitKey& key : keys) unsaved_.erase(key);
  }
  const Status saved = keeper_.SaveUses(uses);
  if (saved.ok()) return {};
  std::lock_guard lock(mutex_);
  for (const KeyedUse& one : uses) unsaved_.insert(one.key);
  return saved;
}

}  // namespace promptcache
