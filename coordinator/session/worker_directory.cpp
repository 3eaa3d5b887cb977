#include "coordinator/session/worker_directory.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace promptcache {
namespace {

constexpr std::chrono::seconds kAskAgain{1};

// Besides the samples that run, so many may wait at a worker: it has the next one at hand when one
// ends. More wait here, where they can still go elsewhere.
uint32_t SlotsWithSpare(uint32_t slots) { return slots + (slots + 3) / 4; }

TierRate RateOf(const LoadRate& rate) {
  return {.fixed_s = rate.fixed_s, .bytes_per_s = rate.bytes_per_s};
}

WorkerRates RatesOf(const Heartbeat& heartbeat) {
  return {.prefill_tokens_per_s = heartbeat.prefill_tokens_per_s,
          .host = RateOf(heartbeat.host),
          .disk = RateOf(heartbeat.disk),
          .remote = RateOf(heartbeat.remote)};
}

// What the cluster's stores have can be loaded by every worker of the same identity.
bool HasStore(const Heartbeat& heartbeat) {
  return heartbeat.disk.bytes_per_s > 0 || heartbeat.remote.bytes_per_s > 0;
}

}  // namespace

WorkerState* WorkerDirectory::Known(PeerId worker) {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? nullptr : &found->second;
}

void WorkerDirectory::Ready(PeerId worker, const std::string& name, const WorkerReady& ready,
                            SteadyTime now) {
  WorkerState& state = workers_[worker];
  state.name = name;
  state.ready = ready;
  state.asked = now;
  fleet_.Join(worker,
              {.name = name,
               .identity = ready.identity.Digest(),
               .slots = SlotsWithSpare(ready.slots),
               .kv_bytes_per_token = ready.kv_bytes_per_token},
              now);
  Reopen(worker, state);
}

void WorkerDirectory::Reopen(PeerId worker, WorkerState& state) {
  state.open = state.known && state.warm && !state.heartbeat.draining;
  state.open ? fleet_.Resume(worker) : fleet_.Drain(worker);
}

void WorkerDirectory::MustWarm(PeerId worker) {
  WorkerState& state = workers_.at(worker);
  state.warm = false;
  Reopen(worker, state);
}

void WorkerDirectory::Warm(PeerId worker) {
  WorkerState* const state = Known(worker);
  if (state == nullptr) return;
  state->warm = true;
  Reopen(worker, *state);
}

std::optional<WorkerState> WorkerDirectory::Remove(PeerId worker) {
  auto entry = workers_.extract(worker);
  if (entry.empty()) return std::nullopt;
  fleet_.Leave(worker);
  return std::move(entry.mapped());
}

ResidencyOutcome WorkerDirectory::HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat,
                                                    SteadyTime now) {
  WorkerState* const state = Known(worker);
  if (state == nullptr) return ResidencyOutcome::kIgnored;
  state->heartbeat = heartbeat;
  const auto limit = static_cast<double>(state->ready.unit_limit_bytes);
  fleet_.Report(worker,
                {.backlog_s = std::max(0.0, heartbeat.backlog_seconds),
                 .requests = heartbeat.active + heartbeat.queued,
                 .device_fill = limit > 0 ? static_cast<double>(heartbeat.unit_bytes) / limit : 0,
                 .kv_use = heartbeat.kv_use,
                 .rates = RatesOf(heartbeat)},
                now);
  Reopen(worker, *state);
  if (!state->in_sync) {
    // What was asked for, or came by itself, may have been lost.
    const bool late = now - state->asked >= kAskAgain;
    return late ? Ask(*state, now) : ResidencyOutcome::kTaken;
  }
  const bool lost = heartbeat.residency_seq > state->residency_seq;
  const bool other = heartbeat.residency_seq == state->residency_seq &&
                     heartbeat.residency_seq != 0 &&
                     heartbeat.residency_digest != state->residency_digest;
  return lost || other ? Ask(*state, now) : ResidencyOutcome::kTaken;
}

ResidencyOutcome WorkerDirectory::Ask(WorkerState& state, SteadyTime now) {
  state.in_sync = false;
  state.asked = now;
  return ResidencyOutcome::kAskForSnapshot;
}

ResidencyOutcome WorkerDirectory::ResidencyReceived(PeerId worker, const Residency& residency,
                                                    SteadyTime now) {
  WorkerState* const state = Known(worker);
  if (state == nullptr) return ResidencyOutcome::kIgnored;
  if (residency.snapshot) {
    fleet_.ForgetUnits(worker);
    state->residency_digest = 0;
    state->in_sync = true;
    state->known = true;
    Reopen(worker, *state);
  } else if (!state->in_sync || residency.seq != state->residency_seq + 1) {
    return state->in_sync ? Ask(*state, now) : ResidencyOutcome::kIgnored;
  }
  state->residency_seq = residency.seq;
  for (const UnitKey& key : residency.removed) Note(worker, *state, key, Source::kEncoded);
  for (const UnitKey& key : residency.added) Note(worker, *state, key, Source::kDevice);
  return ResidencyOutcome::kTaken;
}

void WorkerDirectory::Note(PeerId worker, WorkerState& state, const UnitKey& key, Source tier) {
  state.residency_digest ^= key.Head();
  fleet_.SetTier(worker, key, tier);
  if (HasStore(state.heartbeat)) fleet_.Stored(key);  // workers store what they encode
}

RoutingDecision WorkerDirectory::Route(const RouteRequest& request, SteadyTime now) {
  return router_.Route(request, fleet_, now);
}

void WorkerDirectory::Found(const RouteRequest& request, PeerId worker, SteadyTime now) {
  fleet_.Assign(request, worker, {}, now);
  fleet_.Started(request.id, now);
}

void WorkerDirectory::Measured(const RequestId& request, const Usage& usage, uint64_t domain) {
  if (usage.ttft_ms > usage.queue_ms) {
    fleet_.Measured(request, (usage.ttft_ms - usage.queue_ms) / 1000);
  }
  for (const UnitUsage& unit : usage.units) {
    if (unit.miss_reason != "not stored") continue;
    for (const IdentityDigest& identity : identities()) {
      fleet_.Unstored(MakeUnitKey(identity, domain, unit.digest));
    }
  }
}

Status WorkerDirectory::CheckSlots(const GenerationOptions& options) const {
  if (workers_.empty()) return {};
  uint32_t most = 0;
  for (const auto& [peer, worker] : workers_) most = std::max(most, worker.ready.slots);
  return options.FitsSlots(most);
}

bool WorkerDirectory::AllMeasured() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& entry) {
    return entry.second.heartbeat.prefill_tokens_per_s > 0;
  });
}

bool WorkerDirectory::HasOpen() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& entry) { return entry.second.open; });
}

bool WorkerDirectory::HasOpenFor(const GenerationOptions& options) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second.open && options.FitsSlots(entry.second.ready.slots).ok();
  });
}

bool WorkerDirectory::IsOnSomeDevice(const RouteRequest& request) const {
  const auto& routed = fleet_.workers();
  return std::any_of(routed.begin(), routed.end(), [&](const auto& entry) {
    const FleetWorker& worker = entry.second;
    if (worker.draining() || !worker.Fits(request)) return false;
    const std::vector<UnitKey>& keys = worker.KeysOf(request);
    return std::any_of(keys.begin(), keys.end(),
                       [&](const UnitKey& key) { return worker.TierOf(key) == Source::kDevice; });
  });
}

std::optional<PeerId> WorkerDirectory::Find(const std::string& name) const {
  for (const auto& [peer, worker] : workers_) {
    if (worker.name == name) return peer;
  }
  return std::nullopt;
}

std::vector<WorkerStatus> WorkerDirectory::Statuses(SteadyTime now) const {
  std::vector<WorkerStatus> statuses;
  for (const auto& [peer, worker] : workers_) {
    const FleetWorker& routed = fleet_.workers().at(peer);
    const Heartbeat& heartbeat = worker.heartbeat;
    statuses.push_back({.name = worker.name,
                        .pid = worker.ready.pid,
                        .model = worker.ready.model,
                        .device = worker.ready.device,
                        .identity = worker.ready.identity,
                        .live = worker.open || heartbeat.draining,
                        .active = heartbeat.active,
                        .queued = heartbeat.queued,
                        .slots = worker.ready.slots,
                        .units = heartbeat.units,
                        .unit_bytes = heartbeat.unit_bytes,
                        .unit_limit_bytes = worker.ready.unit_limit_bytes,
                        .requests = heartbeat.requests,
                        .prefill_tokens_per_s = heartbeat.prefill_tokens_per_s,
                        .draining = heartbeat.draining,
                        .assigned = routed.assigned(),
                        .backlog_seconds = routed.BacklogSeconds(now),
                        .kv_use = heartbeat.kv_use,
                        .calibration = routed.calibration(),
                        .generated_tokens = heartbeat.generated_tokens});
  }
  return statuses;
}

}  // namespace promptcache
