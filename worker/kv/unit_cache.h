// The device tier: encoded units in memory, within a limit.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "worker/kv/kept_unit.h"
#include "worker/kv/unit_changes.h"

namespace promptcache {

// Lives as long as the longer of the two.
Lifetime Longer(const Lifetime& a, const Lifetime& b);

// Not thread safe: belongs to the engine thread. Units that requests hold are never dropped for
// room, so the cache may exceed its limit while they run.
//
// Lifetimes: each import may prolong the unit's, none shortens it. A unit whose time is up is never
// found again and goes with the next call of Find, Insert or Trim, held or not. Pinned units stay:
// they neither expire nor make room. They take at most half of the limit, and a tenant's
// domain gets one only where as much is left to others as it holds; a pin beyond that is logged,
// and the unit lives like any other.
class UnitCache {
 public:
  // The clock outlives the cache.
  explicit UnitCache(uint64_t limit_bytes, const Clock& clock = SystemClock())
      : limit_(limit_bytes), clock_(clock) {}

  // An import: nullptr when absent; else the unit, now the most recently used.
  KeptUnitPtr Find(const UnitKey& key, const Lifetime& lifetime);
  // Drops the least recently used units that no one holds until the new one fits, then keeps it.
  // Of a key that is there it is one more import. `domain` is the key's; 0: everybody's.
  void Insert(KeptUnitPtr unit, const Lifetime& lifetime, uint64_t domain = 0);
  // Drops expired units, then unheld ones until the limit holds again; after requests have ended.
  void Trim();
  // Drops these units, held or pinned or not: none is found again.
  RemovedUnits Remove(const std::vector<UnitKey>& keys);
  // After this much time, at the earliest, Trim has something to drop that has expired.
  SteadyTime::duration UntilNextExpiry() const { return next_expiry_ - clock_.Now(); }

  // No import. A unit whose time is up may still count.
  bool Contains(const UnitKey& key) const { return units_.contains(key); }
  uint64_t bytes() const { return bytes_; }
  size_t size() const { return units_.size(); }

  // Since the last call.
  UnitChanges TakeChanges();

 private:
  struct Entry {
    KeptUnitPtr unit;
    uint64_t domain = 0;
    SteadyTime expires = SteadyTime::min();
    bool pinned = false;
    bool pin_refused = false;
  };
  using Order = std::list<Entry>;  // most recently used first

  void Imported(Entry& entry, const Lifetime& lifetime);
  void Pin(Entry& entry);
  void Unpin(const Entry& entry);
  void DropExpired();
  void DropDownTo(uint64_t target);
  Order::iterator Drop(Order::iterator entry);
  // Notes that `key` joins `to`, or that its earlier move into `from` is undone.
  static void Move(const UnitKey& key, std::vector<UnitKey>& from, std::vector<UnitKey>& to);

  const uint64_t limit_;
  const Clock& clock_;
  Order order_;
  std::unordered_map<UnitKey, Order::iterator> units_;
  uint64_t bytes_ = 0;
  uint64_t pinned_bytes_ = 0;
  std::unordered_map<uint64_t, uint64_t> pinned_by_domain_;  // these bytes, where there are any
  SteadyTime next_expiry_ = SteadyTime::max();               // no unit expires before
  UnitChanges changes_;
};

}  // namespace promptcache
