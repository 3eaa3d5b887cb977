#include "worker/service/reports.h"

#include <unistd.h>

#include <algorithm>

#include "cluster/transport/endpoint.h"

namespace promptcache {
namespace {

LoadRate RateOf(const CostLine& cost) {
  constexpr double kFastest = 1e15;  // bytes a second: where size made no difference
  if (cost.fixed == 0 && cost.each == 0) return {};
  return {.fixed_s = cost.fixed, .bytes_per_s = 1 / std::max(cost.each, 1 / kFastest)};
}

}  // namespace

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
          .unit_limit_bytes = static_cast<uint64_t>(settings.unit_cache_bytes),
          .kv_bytes_per_token = model.kv_bytes_per_token()};
}

Source StoreTierOf(const WorkerSettings& settings) {
  // Without an endpoint it is a directory that this process opened itself.
  const bool is_here =
      settings.store_endpoint.empty() ||
      ParseEndpoint(settings.store_endpoint, EndpointUse::kConnect, Reach::kLoopback).ok();
  return is_here ? Source::kDisk : Source::kRemote;
}

Heartbeat HeartbeatOf(const EngineStats& stats, Source store_tier, DrainChange drain) {
  Heartbeat heartbeat{.active = stats.active,
                      .queued = stats.queued,
                      .units = stats.units,
                      .unit_bytes = stats.unit_bytes,
                      .requests = stats.finished,
                      .backlog_seconds = stats.backlog_seconds,
                      .prefill_tokens_per_s = stats.prefill_tokens_per_s,
                      .draining = drain == DrainChange::kDrain,
                      .kv_use = stats.kv_use,
                      .generated_tokens = stats.generated_tokens};
  (store_tier == Source::kDisk ? heartbeat.disk : heartbeat.remote) = RateOf(stats.load_cost);
  return heartbeat;
}

}  // namespace promptcache
