// What a worker says of itself. Pure. Internal to worker/service.
#pragma once

#include "cluster/wire/messages.h"
#include "worker/engine/engine.h"
#include "worker/service/worker_service.h"

namespace promptcache {

EngineOptions EngineOptionsOf(const WorkerSettings& settings);
WorkerReady ReadyOf(const WorkerModel& model, const WorkerSettings& settings);
// A store on this machine is its disk; all others are remote.
Source StoreTierOf(const WorkerSettings& settings);
// Without what each coordinator was told of residency. `store_tier`: of loads.
Heartbeat HeartbeatOf(const EngineStats& stats, Source store_tier, DrainChange drain);

}  // namespace promptcache
