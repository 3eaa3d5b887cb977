#include "worker/kv/unit_cache.h"

#include <algorithm>

namespace promptcache {

UnitPtr UnitCache::Find(const UnitKey& key) {
  const auto found = units_.find(key);
  if (found == units_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return *found->second;
}

void UnitCache::Insert(UnitPtr unit) {
  if (units_.contains(unit->key)) return;
  DropDownTo(limit_ - std::min(limit_, unit->bytes));
  bytes_ += unit->bytes;
  Move(unit->key, changes_.removed, changes_.added);
  order_.push_front(unit);
  units_.emplace(unit->key, order_.begin());
}

void UnitCache::Trim() { DropDownTo(limit_); }

void UnitCache::DropDownTo(uint64_t target) {
  for (auto it = order_.end(); bytes_ > target && it != order_.begin();) {
    --it;
    const bool held = it->use_count() > 1;
    if (held) continue;
    bytes_ -= (*it)->bytes;
    Move((*it)->key, changes_.added, changes_.removed);
    units_.erase((*it)->key);
    it = order_.erase(it);
  }
}

void UnitCache::Move(const UnitKey& key, std::vector<UnitKey>& from, std::vector<UnitKey>& to) {
  if (std::erase(from, key) == 0) to.push_back(key);
}

std::vector<UnitKey> UnitCache::keys() const {
  std::vector<UnitKey> keys;
  for (const UnitPtr& unit : order_) keys.push_back(unit->key);
  return keys;
}

UnitCache::Changes UnitCache::TakeChanges() { return std::exchange(changes_, {}); }

}  // namespace promptcache
