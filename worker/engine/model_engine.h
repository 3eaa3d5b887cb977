// Starts the engine that runs a model.
#pragma once

#include <functional>
#include <memory>

#include "cachestore/store.h"
#include "common/clock.h"
#include "common/text/tokenizer.h"
#include "worker/engine/engine.h"
#include "worker/kv/unit_io.h"
#include "worker/model/model.h"

namespace promptcache {

// What the engine works with. `model`, `tokenizer` and `store` outlive it.
struct EngineDeps {
  Model* model = nullptr;
  const Tokenizer* tokenizer = nullptr;
  BlobStore* store = nullptr;  // null: units live in memory only
  StoreFormat format;          // of the units: the model's identity, and what they are stored as
  Source store_tier = Source::kDisk;    // where units from the store count as coming from
  const Clock* clock = &SystemClock();  // of units' lifetimes; outlives the engine
  // Units that came into or left memory; on the engine thread.
  std::function<void(UnitChanges)> on_residency;
};

std::unique_ptr<Engine> StartEngine(EngineDeps deps, const EngineOptions& options);

}  // namespace promptcache
