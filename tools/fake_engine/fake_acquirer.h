// Gets the fake engine's units: from memory, else from the store, else by making them; each key
// once at a time, however many requests wait for it.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/byte_queue.h"
#include "common/clock.h"
#include "common/ids.h"
#include "tools/fake_engine/fake_sequence.h"
#include "worker/engine/engine.h"
#include "worker/engine/import_log.h"
#include "worker/kv/unit_cache.h"

namespace promptcache {

// Belongs to the engine thread. One thread of its own reads and writes the store.
class FakeAcquirer {
 public:
  // Runs a function on the engine thread; thread safe.
  using Post = std::function<void(std::function<void()>)>;
  using OnArrival = std::function<void(FakeArrival arrival)>;

  FakeAcquirer(const EngineSetup& setup, FakeFormat format, Post post);
  // Finishes what waits to be written, unless the store is found to be gone meanwhile.
  ~FakeAcquirer();

  // Calls `on_arrival` within the call when the unit is in memory; else later, unless
  // Abandon(order.owner) comes first. The store is told of the import when that is a use.
  void Acquire(const UnitOrder& order, OnArrival on_arrival);
  // The owner waits for nothing any more. What then nobody waits for is not encoded.
  void Abandon(const RequestId& owner);
  RemovedUnits Drop(const std::vector<UnitKey>& keys);

  bool wants_step() const { return !to_encode_.empty(); }
  // Encodes one unit, if any waits. True when there was one.
  bool EncodeStep();

  // Tells the store of imports when it is time to.
  void TellImports();
  SteadyTime imports_due() const { return imports_.due(); }

  UnitCache& cache() { return cache_; }
  const UnitCache& cache() const { return cache_; }
  uint64_t corruptions() const { return corruptions_; }
  uint64_t put_failures() const { return put_failures_.load(); }
  CostLine load_cost() const { return loads_.known() ? loads_.Line() : CostLine{}; }

 private:
  struct Waiter {
    RequestId owner;
    SteadyTime since;
    OnArrival on_arrival;
  };
  struct Pending {
    KnownRecipePtr known;
    Lifetime lifetime;  // the longest that was asked for
    std::vector<Import> imports;
    std::vector<Import> uses;  // of these, what is not for warming
    std::string miss_reason;
    std::vector<Waiter> waiting;
    bool dropped = false;
  };
  // Says what the store said.
  using StoreCall = std::function<Status()>;
  using PutDropped = std::shared_ptr<std::atomic<bool>>;

  void Load(const UnitKey& key, const KnownRecipePtr& known);
  void Loaded(const UnitKey& key, const Result<FakeUnitPtr>& unit, double seconds);
  void Encode(const UnitKey& key, const Pending& pending);
  void Put(const FakeUnitPtr& unit, const std::vector<Import>& imports);
  void PushImports();
  void Deliver(const UnitKey& key, FakeArrival arrival);
  bool CallStore(StoreCall call, uint64_t bytes);
  void ServeStore();

  BlobStore* const store_;
  const Source store_tier_;
  const FakeFormat format_;
  const Post post_;

  // Owned by the engine thread.
  UnitCache cache_;
  ImportLog imports_;
  LinearCost loads_;
  std::unordered_map<UnitKey, Pending> pending_;
  std::unordered_multimap<UnitKey, PutDropped> puts_;  // queued or being written
  std::deque<UnitKey> to_encode_;
  uint64_t corruptions_ = 0;

  // Own synchronization. The thread last, so that it ends before what it uses.
  std::atomic<uint64_t> put_failures_{0};
  std::atomic<bool> closing_{false};
  ByteQueue<StoreCall> calls_;
  std::jthread store_thread_;
};

}  // namespace promptcache
