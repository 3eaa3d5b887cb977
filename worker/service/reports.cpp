#include "worker/service/reports.h"

#include <unistd.h>

namespace promptcache {

EngineOptions EngineOptionsOf(const WorkerSettings& settings) {
  return {.slots = static_cast<uint32_t>(settings.slots),
          .queue_limit = static_cast<uint32_t>(settings.queue_limit),
          .unit_cache_bytes = static_cast<uint64_t>(settings.unit_cache_bytes),
          .prefill_chunk_tokens = static_cast<uint32_t>(settings.prefill_chunk_tokens)};
}

WorkerReady ReadyOf(const WorkerModel& model, const WorkerSettings& settings) {
  return {.pid = static_cast<uint32_t>(::getpid()),
          .model = model.name(),
          .device = settings.device,
          .identity = model.identity(),
          .context_length = model.context_length(),
          .slots = static_cast<uint32_t>(settings.slots),
          .unit_limit_bytes = static_cast<uint64_t>(settings.unit_cache_bytes)};
}

Heartbeat HeartbeatOf(const EngineStats& stats, DrainChange drain) {
  return {.active = stats.active,
          .queued = stats.queued,
          .units = stats.units,
          .unit_bytes = stats.unit_bytes,
          .requests = stats.finished,
          .prefill_tokens_per_s = stats.prefill_tokens_per_s,
          .draining = drain == DrainChange::kDrain};
}

}  // namespace promptcache
