// Gets units into memory: from the cache, or from the store on loader threads or by encoding,
// whichever has been cheaper; each key once at a time, however many requests wait for it. Internal
// to worker/engine.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cachestore/store.h"
#include "common/byte_queue.h"
#include "common/clock.h"
#include "common/ids.h"
#include "worker/engine/import_log.h"
#include "worker/engine/known_recipe.h"
#include "worker/engine/load_choice.h"
#include "worker/engine/loader.h"
#include "worker/kv/context_cache.h"
#include "worker/kv/unit_cache.h"
#include "worker/kv/unit_encoder.h"

namespace promptcache {

struct AcquirerOptions {
  uint64_t unit_cache_bytes = 0;
  const Clock* clock = &SystemClock();  // of units' lifetimes
  uint32_t loader_threads = 2;
  uint64_t put_queue_bytes = 0;  // waiting to be written to the store
  Source store_tier = Source::kDisk;
};

// A unit that is there, every layer of it. The status is an error when it could not even be
// encoded. `encoded_tokens` is what this caller's wait cost in forward steps (0 unless it asked
// first).
struct UnitArrival {
  Status status;
  UnitPtr unit;
  UnitUsage usage;
  uint32_t encoded_tokens = 0;
};

// Of someone who waits for a unit; called on the engine thread.
struct AcquireEvents {
  // The unit is being loaded and may be read as far as it has arrived (Unit::arrival). At most
  // once. Should the load fail, on_arrival brings another unit.
  std::function<void(UnitPtr unit)> on_loading;
  // Once, and last.
  std::function<void(UnitArrival arrival)> on_arrival;
};

// Belongs to the engine thread.
class Acquirer {
 public:
  // `post` runs a function on the engine thread; thread safe.
  using Post = std::function<void(std::function<void()>)>;

  Acquirer(Model& model, BlobStore* store, StoreFormat format, const AcquirerOptions& options,
           Post post);
  // Finishes what waits to be written, unless the store is found to be gone meanwhile.
  ~Acquirer();

  // Calls on_arrival within the call when the unit is in memory, on_loading when it is on its way;
  // else later, unless Abandon(owner) comes first. In memory the unit then lives at least for the
  // import's lifetime; the store is told of the import.
  void Acquire(const RequestId& owner, const KnownRecipePtr& recipe, const Import& import,
               const AcquireEvents& events);
  // The owner waits for nothing any more. What then nobody waits for is not encoded.
  void Abandon(const RequestId& owner);
  // Drops these units from memory and forgets every context, which may be of their text. What is
  // being loaded, encoded or stored counts as held: it reaches those who wait for it, and is
  // neither kept nor, unless that has begun, stored.
  RemovedUnits Drop(const std::vector<UnitKey>& keys);
  // Runs one forward step of the unit being encoded, if any waits. True when there was one.
  bool EncodeStep();
  bool wants_step() const { return encoder_ != nullptr || !to_encode_.empty(); }

  // What units that are on their way will have taken, and what this one would, as far as that is
  // known.
  double SecondsLeft() const;
  double SecondsToAcquire(const KnownRecipe& known) const;
  // Of loads, by bytes.
  CostLine load_cost() const { return choice_.loads(); }

  // Tells the store of imports when it is time to.
  void TellImports();
  SteadyTime imports_due() const { return imports_.due(); }

  UnitCache& cache() { return cache_; }
  const UnitCache& cache() const { return cache_; }
  uint64_t corruptions() const { return corruptions_; }
  uint64_t put_failures() const { return put_failures_.load(); }

 private:
  struct Waiter {
    RequestId owner;
    SteadyTime since;
    AcquireEvents events;
  };
  struct Pending {
    KnownRecipePtr known;
    Lifetime lifetime;  // the longest that was asked for
    std::vector<Import> imports;
    UnitPtr loading;  // while its layers arrive
    std::string miss_reason;
    std::vector<Waiter> waiting;
    double seconds = 0;  // that it was thought to take
    bool dropped = false;
  };
  // Says what the store said.
  using StoreWrite = std::function<Status()>;
  // Set when the unit is dropped before it is written.
  using PutDropped = std::shared_ptr<std::atomic<bool>>;

  UnitCost CostOf(const Recipe& recipe) const;
  void StartLoad(const UnitKey& key, const Pending& pending);
  // Into the cache, for as long as was asked, unless it was dropped.
  void Keep(const UnitPtr& unit);
  void LoadStarted(const UnitPtr& unit);
  void LoadDone(const UnitKey& key, const LoadEnd& end);
  void LoadFailed(const UnitKey& key, const Status& status, double seconds);
  // Runs one step; the unit when that completed it, else null. kResourceExhausted without memory.
  Result<UnitPtr> RunStep();
  // The complete unit as everyone sees it; stores what was computed.
  Result<UnitPtr> Finish();
  void StartEncode();
  // To all who wait for it, since `at`. Of `arrival.usage` they get the source.
  void Deliver(const UnitKey& key, UnitArrival arrival, SteadyTime at);
  void Put(const UnitPtr& unit);
  Status WriteUnit(const Unit& unit, const std::vector<Import>& imports, const PutDropped& dropped);
  void NoteImport(const UnitKey& key, const Import& import);
  void PushImports();
  // To the thread that writes to the store. False, which the log says, when there is no room.
  bool Write(StoreWrite write, uint64_t bytes, const char* what);
  void ServeWrites();

  // Constant after construction.
  Model& model_;
  BlobStore* const store_;
  const Source store_tier_;
  const StoreFormat format_;
  const IdentityDigest identity_digest_;
  const Post post_;

  // Owned by the engine thread.
  UnitCache cache_;
  ContextCache contexts_;
  LoadChoice choice_;
  ImportLog imports_;
  std::unordered_map<UnitKey, Pending> pending_;
  std::unordered_multimap<UnitKey, PutDropped> puts_;  // queued or being written
  std::deque<UnitKey> to_encode_;
  std::unique_ptr<UnitEncoder> encoder_;
  UnitKey encoding_;
  uint64_t corruptions_ = 0;

  // Own synchronization. Threads last, so that they end before what they use.
  std::atomic<uint64_t> put_failures_{0};
  std::atomic<bool> closing_{false};
  ByteQueue<StoreWrite> writes_;
  std::optional<Loader> loader_;
  std::jthread write_thread_;
};

}  // namespace promptcache
