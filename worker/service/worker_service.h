// A worker as its coordinators see it: greets, reports, takes plans, streams answers.
//
// Threads: the links live on the transport's reactor thread, forward steps on the engine's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cachestore/store.h"
#include "cluster/transport/transport.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/status.h"
#include "common/text/tokenizer.h"
#include "common/types.h"
#include "worker/engine/engine.h"

namespace promptcache {

// A model loaded once, with its tokenizer, and what runs it; may be used by one worker at a time.
// worker_model.h loads one.
class WorkerModel {
 public:
  virtual ~WorkerModel() = default;

  virtual const Identity& identity() const = 0;  // complete, with the tokenizer
  virtual const Tokenizer& tokenizer() const = 0;
  virtual const std::string& name() const = 0;
  virtual uint32_t context_length() const = 0;
  virtual uint64_t kv_bytes_per_token() const = 0;  // of a unit in memory
  // The model outlives the engine.
  virtual std::unique_ptr<Engine> StartEngine(EngineSetup setup) = 0;
};

struct WorkerDeps {
  Transport* transport = nullptr;  // outlives the service
  std::shared_ptr<WorkerModel> model;
  BlobStore* store = nullptr;  // outlives the service; null: units live in memory only
  // Of how long requests are kept for other coordinators; outlives the service.
  const Clock* clock = &SystemClock();
};

class WorkerService {
 public:
  // Connects to its coordinators and serves until destroyed; comes back by itself when one of them
  // does. kInvalidArgument when there is none, one is named twice, or its endpoint can never work.
  // Call on the reactor thread or before it runs; destroy there too, or after it has stopped.
  // Destruction ends every request and waits for pending puts.
  static Result<std::unique_ptr<WorkerService>> Start(WorkerDeps deps,
                                                      const WorkerSettings& settings);
  virtual ~WorkerService() = default;

  // Leaves the coordinators, ends every request and waits until encoded units are stored. Call at
  // most once, from any thread but the reactor's, while the reactor runs.
  virtual void Drain() = 0;

  // Called on the reactor thread each time a coordinator has taken the worker in.
  virtual void OnReady(std::function<void()> ready) = 0;
};

}  // namespace promptcache
