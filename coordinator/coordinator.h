// The coordinator: parses, lays out, plans and routes prompts; owns the life of every request.
//
// Threads: everything runs on the transport's reactor thread, but for compiling schemas and
// planning prompts, which one background thread each does (a large document must not hold up
// heartbeats, nor other people's prompts).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cluster/transport/transport.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/metrics/metric.h"
#include "common/status.h"
#include "common/tenant_limits.h"
#include "coordinator/background.h"
#include "coordinator/served_model.h"

namespace promptcache {

struct CoordinatorEndpoints {
  std::string client;
  std::string worker;
};

// What a coordinator is built on; tests bring their own.
struct CoordinatorDeps {
  const Clock* clock = &SystemClock();
  // Null: a thread each. Schemas do not hold up prompts.
  std::unique_ptr<Background> compiling;
  std::unique_ptr<Background> planning;
  TenantLimits tenants;
};

class Coordinator {
 public:
  // Listens for clients and workers; begins to load registered schemas when a store is configured.
  // Errors name the endpoint. Call on the reactor thread or before it runs. `transport` outlives
  // the coordinator; destroy it on the reactor thread or after it has stopped.
  static Result<std::unique_ptr<Coordinator>> Create(Transport& transport,
                                                     const CoordinatorSettings& settings,
                                                     ServedModel model, CoordinatorDeps deps = {});
  virtual ~Coordinator() = default;

  virtual const CoordinatorEndpoints& endpoints() const = 0;
  // Calls `ready` on the reactor thread once registered schemas are loaded, at once without a
  // store.
  virtual void WhenReady(std::function<void()> ready) = 0;
  // What it measures, and whether it can serve: schemas are loaded, and a worker gets requests. On
  // the reactor thread.
  virtual void Report(ProcessReport& report) const = 0;
  // Drops every client: they go to another coordinator, which takes their requests over, or end
  // them. Nothing is accepted afterwards. To be destroyed soon: what runs at workers is not
  // cancelled.
  virtual void Shutdown() = 0;
};

}  // namespace promptcache
