// Gets units into memory: from the cache, or from the store on loader threads or by encoding,
// whichever has been cheaper; each key once at a time, however many requests wait for it. Internal
// to worker/engine.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cachestore/store.h"
#include "common/clock.h"
#include "worker/engine/inbox.h"
#include "worker/engine/load_choice.h"
#include "worker/engine/loader.h"
#include "worker/engine/pending_units.h"
#include "worker/engine/store_writer.h"
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

// Belongs to the engine thread.
class Acquirer {
 public:
  // Model, store and inbox outlive the acquirer.
  Acquirer(Model& model, BlobStore* store, StoreFormat format, const AcquirerOptions& options,
           Inbox& inbox);

  // These three as PendingUnits. The units are Units. Drop forgets every context, too, which may be
  // of their text.
  void Acquire(const UnitOrder& order, const AcquireEvents& events);
  void Abandon(const RequestId& owner) { pending_.Abandon(owner); }
  RemovedUnits Drop(const std::vector<UnitKey>& keys);
  // Runs one forward step of the unit being encoded, if any waits. True when there was one.
  bool EncodeStep();
  bool wants_step() const { return encoder_ != nullptr || pending_.wants_encode(); }

  // What units that are on their way will have taken, and what this one would, as far as that is
  // known.
  double SecondsLeft() const { return pending_.seconds(); }
  double SecondsToAcquire(const KnownRecipe& known, uint64_t domain) const;
  // Of loads, by bytes.
  CostLine load_cost() const { return choice_.loads(); }

  UnitCache& cache() { return cache_; }
  StoreWriter& writer() { return writer_; }
  uint64_t corruptions() const { return pending_.corruptions(); }

 private:
  UnitCost CostOf(const Recipe& recipe, uint64_t domain) const;
  void StartLoad(const PendingUnit& unit);
  void LoadDone(const UnitKey& key, const LoadEnd& end);
  // Runs one step; the unit when that completed it, else null. kResourceExhausted without memory.
  Result<UnitPtr> RunStep();
  // The complete unit as everyone sees it; stores what was computed.
  Result<UnitPtr> Finish();
  void StartEncode();

  // Constant after construction.
  Model& model_;
  BlobStore* const store_;
  const Source store_tier_;
  const StoreFormat format_;
  const IdentityDigest identity_digest_;
  Inbox& inbox_;

  // Owned by the engine thread.
  UnitCache cache_;
  ContextCache contexts_;
  LoadChoice choice_;
  StoreWriter writer_;
  PendingUnits pending_;
  std::unique_ptr<UnitEncoder> encoder_;
  UnitKey encoding_;

  // Last, so that its threads end before what they use.
  std::optional<Loader> loader_;
};

}  // namespace promptcache
