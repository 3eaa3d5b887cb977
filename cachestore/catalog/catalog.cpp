#include "cachestore/catalog/catalog.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "cachestore/limits.h"

namespace promptcache {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
constexpr double kLeastEncodeSeconds = 1e-3;  // below it the clock says little

uint64_t EndOf(const BlobReference& reference) {
  const Lifetime& lifetime = reference.lifetime;
  if (lifetime.pinned || lifetime.ttl_ms == 0) return kNever;
  if (lifetime.ttl_ms > kNever - reference.imported_unix_ms) return kNever;
  return reference.imported_unix_ms + lifetime.ttl_ms;
}

// The first moment at which anything of it expires. Nothing does while it is pinned.
uint64_t NextEnd(const BlobUse& use) {
  uint64_t next = kNever;
  if (IsPinned(use)) return next;
  for (const BlobReference& reference : use.references) next = std::min(next, EndOf(reference));
  return next;
}

// The reference that is not pinned and was imported longest ago; the end when all are pinned.
std::vector<BlobReference>::iterator OldestUnpinned(std::vector<BlobReference>& references) {
  auto oldest = references.end();
  for (auto it = references.begin(); it != references.end(); ++it) {
    if (it->lifetime.pinned) continue;
    if (oldest == references.end() || it->imported_unix_ms < oldest->imported_unix_ms) oldest = it;
  }
  return oldest;
}

// The tenant that all of them belong to; empty: there is none.
template <typename References>
std::string OwnerOf(const References& references) {
  std::string owner;
  for (const auto& one : references) {
    const std::string& tenant = one.reference.tenant;
    if (tenant.empty() || (!owner.empty() && tenant != owner)) return "";
    owner = tenant;
  }
  return owner;
}

std::string NoRoom(uint64_t bytes, const std::string& limit) {
  return "a blob of " + std::to_string(bytes) + " bytes does not fit into " + limit;
}

}  // namespace

bool IsPinned(const BlobUse& use) {
  return use.pinned ||
         std::any_of(use.references.begin(), use.references.end(),
                     [](const BlobReference& reference) { return reference.lifetime.pinned; });
}

uint64_t EndOf(const BlobUse& use) {
  if (use.references.empty() || IsPinned(use)) return kNever;
  uint64_t end = 0;
  for (const BlobReference& reference : use.references) end = std::max(end, EndOf(reference));
  return end;
}

// ---- puts ----

Result<std::vector<UnitKey>> Catalog::StartPut(const PutRequest& put, uint64_t now_ms) {
  const UnitKey& key = put.key;
  if (Find(key, now_ms) != nullptr) return AlreadyExists("unit " + key.ToHex() + " is committed");
  if (putting_.contains(key)) {
    return Busy("unit " + key.ToHex() + " is being stored by another writer");
  }
  const uint64_t needed = Charge(put.bytes);
  const std::string tenant = OwnerOf(put.imports);
  const uint64_t limit = limits_.tenants.Of(tenant).bytes;
  LeavingBlobs leaving;
  if (!tenant.empty()) leaving = tenants_[tenant].MakeRoom(needed, limit);
  if (!leaving.fits) {
    return ResourceExhausted(NoRoom(put.bytes, "the bytes=" + std::to_string(limit) +
                                                   " of the tenant '" + tenant +
                                                   "' in security.tenant_limits"));
  }
  const LeavingBlobs others = all_.MakeRoom(needed, Quota(), leaving);
  if (!others.fits) {
    return ResourceExhausted(
        NoRoom(put.bytes, "store.quota_bytes = " + std::to_string(limits_.quota_bytes)) + ": " +
        std::to_string(pinned_bytes()) + " bytes are pinned and " +
        std::to_string(reserved_bytes()) + " are being written");
  }
  putting_.try_emplace(key, Putting{tenant, {}});
  all_.Reserve(needed);
  if (!tenant.empty()) tenants_[tenant].Reserve(needed);
  leaving.keys.insert(leaving.keys.end(), others.keys.begin(), others.keys.end());
  return std::move(leaving.keys);
}

std::vector<Import> Catalog::EndPut(const UnitKey& key, uint64_t bytes) {
  auto ended = putting_.extract(key);
  if (ended.empty()) return {};
  Putting& put = ended.mapped();
  all_.Release(Charge(bytes));
  if (!put.tenant.empty()) tenants_[put.tenant].Release(Charge(bytes));
  return std::move(put.told);
}

void Catalog::AddToPut(const UnitKey& key, const Import& import) {
  constexpr size_t kMost = kMaxBlobReferences;
  const auto found = putting_.find(key);
  if (found == putting_.end() || found->second.told.size() >= kMost) return;
  found->second.told.push_back(import);
}

void Catalog::Insert(const UnitKey& key, CatalogBlob blob, std::span<const Import> imports,
                     uint64_t now_ms) {
  blob.use = {.used_unix_ms = now_ms, .weight = 1};
  Restore(key, std::move(blob));
  for (const Import& import : imports) (void)RecordReference(key, import, now_ms);
}

void Catalog::Restore(const UnitKey& key, CatalogBlob blob) {
  Erase(key);
  Enter(key, blob);
  bytes_ += blob.bytes;
  blobs_.emplace(key, std::move(blob));
}

void Catalog::Erase(const UnitKey& key) {
  const auto found = blobs_.find(key);
  if (found == blobs_.end()) return;
  Leave(key, found->second);
  bytes_ -= found->second.bytes;
  blobs_.erase(found);
}

// ---- looking ----

const CatalogBlob* Catalog::Find(const UnitKey& key, uint64_t now_ms) const {
  const CatalogBlob* blob = FindStored(key);
  return blob != nullptr && now_ms < EndOf(blob->use) ? blob : nullptr;
}

const CatalogBlob* Catalog::FindStored(const UnitKey& key) const {
  const auto found = blobs_.find(key);
  return found == blobs_.end() ? nullptr : &found->second;
}

// ---- eviction ----

double Catalog::ScoreOf(const CatalogBlob& blob) const {
  const double worth = std::max(blob.encode_seconds, kLeastEncodeSeconds) * blob.use.weight /
                       static_cast<double>(Charge(blob.bytes));
  return std::log2(worth) +
         static_cast<double>(blob.use.used_unix_ms) / static_cast<double>(limits_.use_half_life_ms);
}

std::vector<UnitKey> Catalog::OverQuota() const {
  LeavingBlobs leaving;
  const auto add = [&](const LeavingBlobs& more) {
    leaving.keys.insert(leaving.keys.end(), more.keys.begin(), more.keys.end());
    leaving.charge += more.charge;
  };
  for (const auto& [tenant, share] : tenants_) {
    add(share.MakeRoom(0, limits_.tenants.Of(tenant).bytes));
  }
  add(all_.MakeRoom(0, Quota(), leaving));
  return std::move(leaving.keys);
}

SharedBlob Catalog::ShareOf(const UnitKey& key, const CatalogBlob& blob) const {
  return {.key = key,
          .score = ScoreOf(blob),
          .bytes = blob.bytes,
          .charge = Charge(blob.bytes),
          .pinned = IsPinned(blob.use)};
}

void Catalog::Leave(const UnitKey& key, const CatalogBlob& blob) {
  const SharedBlob shared = ShareOf(key, blob);
  const std::string owner = OwnerOf(blob.use.references);
  all_.Leave(shared);
  if (!owner.empty()) tenants_[owner].Leave(shared);
  ends_.erase({NextEnd(blob.use), key});
  references_ -= blob.use.references.size();
}

void Catalog::Enter(const UnitKey& key, const CatalogBlob& blob) {
  const SharedBlob shared = ShareOf(key, blob);
  const std::string owner = OwnerOf(blob.use.references);
  all_.Enter(shared);
  if (!owner.empty()) tenants_[owner].Enter(shared);
  const uint64_t end = NextEnd(blob.use);
  if (end != kNever) ends_.insert({end, key});
  references_ += blob.use.references.size();
}

// ---- lives ----

void Catalog::Use(CatalogBlob& blob, uint64_t now_ms) const {
  BlobUse& use = blob.use;
  // A clock that was set back makes no use younger.
  const uint64_t passed = now_ms > use.used_unix_ms ? now_ms - use.used_unix_ms : 0;
  use.weight *=
      std::exp2(-static_cast<double>(passed) / static_cast<double>(limits_.use_half_life_ms));
  use.weight += 1;
  use.used_unix_ms += passed;
  ++use.imports;
}

Status Catalog::CheckPin(const CatalogBlob& blob, const std::string& tenant) {
  const auto check = [&](uint64_t pinned, uint64_t limit, const std::string& name) -> Status {
    if (blob.bytes <= limit && pinned <= limit - blob.bytes) return {};
    ++refused_pins_;
    return ResourceExhausted("pinning " + std::to_string(blob.bytes) + " bytes more passes " +
                             name + std::to_string(limit) + "; " + std::to_string(pinned) +
                             " bytes are pinned");
  };
  PC_RETURN_IF_ERROR(check(pinned_bytes(), limits_.pin_quota_bytes, "store.pin_quota_bytes = "));
  if (tenant.empty()) return {};
  return check(tenants_[tenant].pinned_bytes(), limits_.tenants.Of(tenant).pinned_bytes,
               "the limit of the tenant '" + tenant + "', pinned=");
}

Durability Catalog::RecordImport(const UnitKey& key, const Import& import, uint64_t now_ms) {
  const auto found = blobs_.find(key);
  if (found == blobs_.end()) return Durability::kNone;
  Leave(key, found->second);
  Use(found->second, now_ms);
  Enter(key, found->second);
  return RecordReference(key, import, now_ms);
}

Durability Catalog::RecordReference(const UnitKey& key, const Import& import, uint64_t now_ms) {
  const auto found = blobs_.find(key);
  if (found == blobs_.end()) return Durability::kNone;
  CatalogBlob& blob = found->second;
  Lifetime lifetime = import.lifetime;
  if (lifetime.pinned && !IsPinned(blob.use)) {
    const std::string& tenant = import.reference.tenant;
    const bool is_own = blob.use.references.empty() || OwnerOf(blob.use.references) == tenant;
    lifetime.pinned = CheckPin(blob, is_own ? tenant : "").ok();
  }
  Leave(key, blob);
  auto& references = blob.use.references;
  const auto find = [&] {
    return std::lower_bound(references.begin(), references.end(), import.reference,
                            [](const BlobReference& one, const Reference& reference) {
                              return one.reference < reference;
                            });
  };
  auto place = find();
  const bool known = place != references.end() && place->reference == import.reference;
  const Durability durability =
      known && place->lifetime == lifetime ? Durability::kSoon : Durability::kNow;
  if (!known && references.size() >= kMaxBlobReferences) {
    const auto oldest = OldestUnpinned(references);
    if (oldest == references.end()) {
      Enter(key, blob);
      return Durability::kSoon;
    }
    references.erase(oldest);
    place = find();
  }
  if (!known) place = references.insert(place, {.reference = import.reference});
  place->lifetime = lifetime;
  place->imported_unix_ms = std::max(place->imported_unix_ms, now_ms);
  Enter(key, blob);
  return durability;
}

Result<bool> Catalog::SetPin(const UnitKey& key, PinChange change) {
  const auto found = blobs_.find(key);
  if (found == blobs_.end()) return NotFound("unit " + key.ToHex() + " is not stored");
  CatalogBlob& blob = found->second;
  const bool pin = change == PinChange::kPin;
  if (blob.use.pinned == pin) return false;
  if (pin && !IsPinned(blob.use)) {
    PC_RETURN_IF_ERROR(CheckPin(blob, OwnerOf(blob.use.references)));
  }
  Leave(key, blob);
  blob.use.pinned = pin;
  Enter(key, blob);
  return true;
}

Catalog::Dropped Catalog::RemoveReferences(const UnitKey& key, const BlobSelector& selector) {
  CatalogBlob& blob = blobs_.at(key);
  // With its references it can still be named: to unpin it, and to remove it then.
  if (blob.use.pinned) return {};
  const bool named = !selector.keys.empty();
  if (named && std::find(selector.keys.begin(), selector.keys.end(), key) == selector.keys.end()) {
    return {};
  }
  Leave(key, blob);
  const uint64_t count = std::erase_if(blob.use.references, [&](const BlobReference& reference) {
    return selector.Matches(reference.reference);
  });
  Enter(key, blob);
  const bool meant = count > 0 || (named && !selector.names_references());
  return {.references = count, .unreferenced = meant && blob.use.references.empty()};
}

Catalog::Expired Catalog::TakeExpired(uint64_t now_ms) {
  std::vector<UnitKey> due;
  for (auto it = ends_.begin(); it != ends_.end() && it->first <= now_ms; ++it) {
    due.push_back(it->second);
  }
  Expired expired;
  for (const UnitKey& key : due) {
    CatalogBlob& blob = blobs_.at(key);
    if (now_ms >= EndOf(blob.use)) {
      // Its references stay: should it not be possible to drop it now, it must stay expired.
      expired.blobs.push_back(key);
      continue;
    }
    Leave(key, blob);
    expired.references += std::erase_if(blob.use.references, [&](const BlobReference& reference) {
      return now_ms >= EndOf(reference);
    });
    Enter(key, blob);
    expired.changed.push_back(key);
  }
  return expired;
}

}  // namespace promptcache
