// Continuous batching: one thread that acquires units, takes steps for several requests at once and
// streams their tokens. This is what a worker's service knows of it; model_engine.h starts the one
// that runs a model.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cachestore/store.h"
#include "common/status.h"
#include "common/types.h"
#include "worker/engine/load_choice.h"
#include "worker/engine/request.h"
#include "worker/kv/unit_changes.h"

namespace promptcache {

struct EngineOptions {
  uint32_t slots = 8;  // samples in a step, of all requests
  uint32_t queue_limit = 256;
  uint64_t unit_cache_bytes = uint64_t{4} << 30;
  uint32_t prefill_chunk_tokens = 4096;
  uint32_t loader_threads = 2;
  uint64_t put_queue_bytes = uint64_t{1} << 30;  // encoded units waiting to be stored
};

// What a worker gives its engine to work with, besides the model.
struct EngineSetup {
  BlobStore* store = nullptr;         // outlives the engine; null: units live in memory only
  Source store_tier = Source::kDisk;  // where units from the store count as coming from
  EngineOptions options;
  // Units that came into or left memory; on the engine thread.
  std::function<void(UnitChanges)> on_residency;
};

struct EngineStats {
  uint32_t active = 0;
  uint32_t queued = 0;
  uint32_t units = 0;
  uint64_t unit_bytes = 0;
  uint64_t finished = 0;
  uint64_t corruptions = 0;   // stored units that failed verification and were encoded again
  uint64_t put_failures = 0;  // encoded units that could not be stored
  double prefill_tokens_per_s = 0;
  double backlog_seconds = 0;  // as Workload::BacklogSeconds
  double kv_use = 0;           // as KvUse
  uint64_t generated_tokens = 0;
  CostLine load_cost;  // of a unit's bytes; zero: not measured
};

// Thread safe.
class Engine {
 public:
  // Ends every request with UNAVAILABLE, finishes pending puts, joins all threads.
  virtual ~Engine() = default;

  // kInvalidArgument as EngineRequest::Validate, kResourceExhausted as
  // GenerationOptions::FitsSlots, kBusy when the queue is full; the request's events
  // are then never called. A request under an id that is in use ends with ALREADY_EXISTS.
  virtual Status Submit(EngineRequest request) = 0;
  // The request ends with CANCELLED before its next step, unless it is done. Unknown ids are
  // ignored.
  virtual void Cancel(const RequestId& id) = 0;
  virtual EngineStats stats() const = 0;
  // No memory holds these units any more but for requests that run. Calls `done` on the engine
  // thread.
  virtual void Drop(std::vector<UnitKey> keys, std::function<void(RemovedUnits)> done) = 0;
};

}  // namespace promptcache
