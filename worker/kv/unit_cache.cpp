#include "worker/kv/unit_cache.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace promptcache {
namespace {

constexpr std::chrono::hours kLongestTtl{24 * 365 * 100};  // and no overflow

SteadyTime ExpiryOf(const Lifetime& lifetime, SteadyTime now) {
  if (lifetime.ttl_ms == 0) return SteadyTime::max();
  constexpr uint64_t kMost = std::chrono::milliseconds(kLongestTtl).count();
  return now + std::chrono::milliseconds(std::min(lifetime.ttl_ms, kMost));
}

}  // namespace

Lifetime Longer(const Lifetime& a, const Lifetime& b) {
  const bool unlimited = a.ttl_ms == 0 || b.ttl_ms == 0;
  return {.ttl_ms = unlimited ? 0 : std::max(a.ttl_ms, b.ttl_ms), .pinned = a.pinned || b.pinned};
}

KeptUnitPtr UnitCache::Find(const UnitKey& key, const Lifetime& lifetime) {
  DropExpired();
  const auto found = units_.find(key);
  if (found == units_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  Imported(order_.front(), lifetime);
  return order_.front().unit;
}

void UnitCache::Insert(KeptUnitPtr unit, const Lifetime& lifetime, uint64_t domain) {
  if (Find(unit->key, lifetime) != nullptr) return;
  DropDownTo(limit_ - std::min(limit_, unit->bytes));
  bytes_ += unit->bytes;
  Move(unit->key, changes_.removed, changes_.added);
  order_.push_front({.unit = std::move(unit), .domain = domain});
  units_.emplace(order_.front().unit->key, order_.begin());
  Imported(order_.front(), lifetime);
}

void UnitCache::Imported(Entry& entry, const Lifetime& lifetime) {
  if (lifetime.pinned && !entry.pinned && !entry.pin_refused) Pin(entry);
  const SteadyTime expires = entry.pinned ? SteadyTime::max() : ExpiryOf(lifetime, clock_.Now());
  entry.expires = std::max(entry.expires, expires);
  next_expiry_ = std::min(next_expiry_, entry.expires);
}

void UnitCache::Pin(Entry& entry) {
  const uint64_t bytes = entry.unit->bytes;
  const uint64_t left = limit_ / 2 - pinned_bytes_;
  const auto of_domain = pinned_by_domain_.find(entry.domain);
  const bool is_shared = entry.domain == 0;
  const uint64_t held = is_shared || of_domain == pinned_by_domain_.end() ? 0 : of_domain->second;
  entry.pinned = bytes <= left && held <= left - bytes;
  entry.pin_refused = !entry.pinned;
  if (entry.pinned) {
    pinned_bytes_ += bytes;
    pinned_by_domain_[entry.domain] += bytes;
    return;
  }
  Log(LogLevel::kWarning,
      "unit not pinned: pinned units may take half of the memory for units, and a tenant gets one "
      "only where as much is left to others as it holds",
      {{"recipe", entry.unit->digest.ToHex()},
       {"bytes", bytes},
       {"pinned_bytes", pinned_bytes_},
       {"pinned_bytes_of_tenant", held},
       {"unit_cache_bytes", limit_}});
}

void UnitCache::Unpin(const Entry& entry) {
  pinned_bytes_ -= entry.unit->bytes;
  const auto of_domain = pinned_by_domain_.find(entry.domain);
  of_domain->second -= entry.unit->bytes;
  if (of_domain->second == 0) pinned_by_domain_.erase(of_domain);
}

void UnitCache::Trim() {
  DropExpired();
  DropDownTo(limit_);
}

RemovedUnits UnitCache::Remove(const std::vector<UnitKey>& keys) {
  RemovedUnits removed;
  for (const UnitKey& key : keys) {
    const auto found = units_.find(key);
    if (found == units_.end()) continue;
    ++removed.units;
    if (found->second->unit.use_count() > 1) removed.held.push_back(key);
    Drop(found->second);
  }
  return removed;
}

void UnitCache::DropExpired() {
  const SteadyTime now = clock_.Now();
  if (now < next_expiry_) return;
  next_expiry_ = SteadyTime::max();
  for (auto it = order_.begin(); it != order_.end();) {
    if (it->expires <= now) {
      it = Drop(it);
    } else {
      next_expiry_ = std::min(next_expiry_, it->expires);
      ++it;
    }
  }
}

void UnitCache::DropDownTo(uint64_t target) {
  for (auto it = order_.end(); bytes_ > target && it != order_.begin();) {
    --it;
    const bool held = it->unit.use_count() > 1;
    if (!held && !it->pinned) it = Drop(it);
  }
}

UnitCache::Order::iterator UnitCache::Drop(Order::iterator entry) {
  bytes_ -= entry->unit->bytes;
  if (entry->pinned) Unpin(*entry);
  Move(entry->unit->key, changes_.added, changes_.removed);
  units_.erase(entry->unit->key);
  return order_.erase(entry);
}

void UnitCache::Move(const UnitKey& key, std::vector<UnitKey>& from, std::vector<UnitKey>& to) {
  if (std::erase(from, key) == 0) to.push_back(key);
}

UnitChanges UnitCache::TakeChanges() { return std::exchange(changes_, {}); }

}  // namespace promptcache
