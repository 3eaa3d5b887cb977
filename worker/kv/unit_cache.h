// The device tier: encoded units in memory, within a limit.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "worker/kv/unit.h"

namespace promptcache {

// Not thread safe: belongs to the engine thread. Units that requests hold are never dropped, so the
// cache may exceed its limit while they run.
class UnitCache {
 public:
  explicit UnitCache(uint64_t limit_bytes) : limit_(limit_bytes) {}

  // nullptr when absent; else the unit, now the most recently used.
  UnitPtr Find(const UnitKey& key);
  // Drops the least recently used units that no one holds until the new one fits, then keeps it.
  void Insert(UnitPtr unit);
  // Drops unheld units until the limit holds again; after requests have ended.
  void Trim();

  uint64_t bytes() const { return bytes_; }
  size_t size() const { return units_.size(); }
  std::vector<UnitKey> keys() const;

  struct Changes {
    std::vector<UnitKey> added;
    std::vector<UnitKey> removed;
    bool empty() const { return added.empty() && removed.empty(); }
  };
  // How the set of keys differs from what it was at the last call; a key is in one list at most.
  Changes TakeChanges();

 private:
  using Order = std::list<UnitPtr>;  // most recently used first
  void DropDownTo(uint64_t target);
  // Notes that `key` joins `to`, or that its earlier move into `from` is undone.
  static void Move(const UnitKey& key, std::vector<UnitKey>& from, std::vector<UnitKey>& to);

  const uint64_t limit_;
  Order order_;
  std::unordered_map<UnitKey, Order::iterator> units_;
  uint64_t bytes_ = 0;
  Changes changes_;
};

}  // namespace promptcache
