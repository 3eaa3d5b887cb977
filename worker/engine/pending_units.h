// Units that are on their way into an engine's memory, each key once, however many requests wait
// for it. Internal to engines.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "worker/engine/request.h"
#include "worker/engine/store_writer.h"
#include "worker/kv/unit_cache.h"

namespace promptcache {

// A unit that is there, every layer of it. The status is an error when it could not even be
// encoded. `encoded_tokens` is what this caller's wait cost in forward steps (0 unless it asked
// first).
struct UnitArrival {
  Status status;
  KeptUnitPtr unit;
  UnitUsage usage;
  uint32_t encoded_tokens = 0;
};

// Of someone who waits for a unit; called on the engine thread.
struct AcquireEvents {
  // The unit is being loaded and may be read as far as it has arrived (Unit::arrival). At most
  // once. Should the load fail, on_arrival brings another unit.
  std::function<void(const KeptUnitPtr& unit)> on_loading;
  // Once, and last.
  std::function<void(UnitArrival arrival)> on_arrival;
};

struct PendingUnit {
  struct Waiter {
    RequestId owner;
    SteadyTime since;
    AcquireEvents events;
  };

  UnitKey key;
  KnownRecipePtr known;
  uint64_t domain = 0;
  Lifetime lifetime;  // the longest that was asked for
  UnitImports imports;
  KeptUnitPtr loading;  // while its layers arrive
  std::string miss_reason;
  std::vector<Waiter> waiting;
  double seconds = 0;  // that it is thought to take
  bool dropped = false;
};

// Belongs to the engine thread. Where a unit comes from is the caller's affair: for each that
// Acquire gives it, it calls LoadFailed or Encode until one of Loaded, Encoded and Failed.
class PendingUnits {
 public:
  // Both outlive this.
  PendingUnits(UnitCache& cache, StoreWriter& writer) : cache_(cache), writer_(writer) {}

  // Calls on_arrival within the call when the unit is in memory, on_loading when it is on its way;
  // else later, unless Abandon(order.owner) comes first. In memory the unit then lives at least for
  // the import's lifetime; the store is told of the import when that is a use. Not null when nobody
  // has asked for it before: the caller has to get it.
  PendingUnit* Acquire(const UnitKey& key, const UnitOrder& order, const AcquireEvents& events);
  // The owner waits for nothing any more. What then nobody waits for is not encoded, nor encoded to
  // its end.
  void Abandon(const RequestId& owner);
  // Drops these units from memory. What is being loaded, encoded or stored counts as held: it
  // reaches those who wait for it, and is neither kept nor, unless that has begun, stored.
  RemovedUnits Drop(const std::vector<UnitKey>& keys);

  // Null when it is not on its way.
  const PendingUnit* Find(const UnitKey& key) const;
  double seconds() const;  // of all

  // ---- loads ----
  // May be read as far as it has arrived.
  void Loading(const KeptUnitPtr& unit);
  // Is whole since `at`.
  void Loaded(const KeptUnitPtr& unit, Source source, SteadyTime at);
  // It is to be encoded.
  void LoadFailed(const UnitKey& key, const Status& status);
  uint64_t corruptions() const { return corruptions_; }  // loads that found damage

  // ---- encodes ----
  // It is to be encoded; `why`: UnitUsage::miss_reason.
  void Encode(PendingUnit& unit, std::string why);
  bool wants_encode() const { return !to_encode_.empty(); }
  // The next to encode that somebody waits for, or null.
  const PendingUnit* NextToEncode();
  // What is being encoded and nobody waits for any more is not on its way then. False: go on.
  bool ForgetUnwanted(const UnitKey& key);
  // What was encoded is stored behind the request.
  void Store(const KeptUnit& unit, StoreWriter::Put put);
  void Encoded(const KeptUnitPtr& unit, uint32_t tokens);
  void Failed(const UnitKey& key, const Status& status);

 private:
  // Into memory, for as long as was asked, unless it was dropped.
  void Keep(const KeptUnitPtr& unit);
  // To all who wait for it, since `at`. Of `arrival.usage` they get the source.
  void Deliver(const UnitKey& key, UnitArrival arrival, SteadyTime at);

  UnitCache& cache_;
  StoreWriter& writer_;
  std::unordered_map<UnitKey, PendingUnit> units_;
  std::deque<UnitKey> to_encode_;
  uint64_t corruptions_ = 0;
};

}  // namespace promptcache
