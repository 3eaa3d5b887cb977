// What a worker says of itself. Pure. Internal to worker/service.
#pragma once

#include "cluster/wire/messages.h"
#include "worker/engine/engine.h"
#include "worker/service/worker_service.h"

namespace promptcache {

EngineOptions EngineOptionsOf(const WorkerSettings& settings);
WorkerReady ReadyOf(const WorkerModel& model, const WorkerSettings& settings);
Heartbeat HeartbeatOf(const EngineStats& stats, DrainChange drain);

}  // namespace promptcache
