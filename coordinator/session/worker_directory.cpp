#include "coordinator/session/worker_directory.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace promptcache {

WorkerStatus WorkerState::Status() const {
  return {.name = name,
          .pid = ready.pid,
          .model = ready.model,
          .device = ready.device,
          .identity = ready.identity,
          .live = true,
          .active = heartbeat.active,
          .queued = heartbeat.queued,
          .slots = ready.slots,
          .units = heartbeat.units,
          .unit_bytes = heartbeat.unit_bytes,
          .unit_limit_bytes = ready.unit_limit_bytes,
          .requests = heartbeat.requests,
          .prefill_tokens_per_s = heartbeat.prefill_tokens_per_s};
}

void WorkerDirectory::Ready(PeerId worker, const std::string& name, const WorkerReady& ready) {
  WorkerState& state = workers_[worker];
  state.name = name;
  state.ready = ready;
  state.identity = ready.identity.Digest();
}

std::optional<WorkerState> WorkerDirectory::Remove(PeerId worker) {
  auto entry = workers_.extract(worker);
  if (entry.empty()) return std::nullopt;
  return std::move(entry.mapped());
}

void WorkerDirectory::HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat) {
  const auto found = workers_.find(worker);
  if (found != workers_.end()) found->second.heartbeat = heartbeat;
}

ResidencyOutcome WorkerDirectory::ResidencyReceived(PeerId worker, const Residency& residency) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return ResidencyOutcome::kIgnored;
  WorkerState& state = found->second;
  if (residency.snapshot) {
    state.resident.clear();
    state.in_sync = true;
  } else if (!state.in_sync || residency.seq != state.residency_seq + 1) {
    return std::exchange(state.in_sync, false) ? ResidencyOutcome::kAskForSnapshot
                                               : ResidencyOutcome::kIgnored;
  }
  state.residency_seq = residency.seq;
  for (const UnitKey& key : residency.removed) state.resident.erase(key);
  for (const UnitKey& key : residency.added) {
    if (state.resident.size() >= max_resident_) break;
    state.resident.insert(key);
  }
  return ResidencyOutcome::kTaken;
}

std::optional<PeerId> WorkerDirectory::Assign(const RouteQuery& query) {
  std::vector<RouteWorker> candidates;
  std::vector<PeerId> peers;
  for (const auto& [peer, worker] : workers_) {
    candidates.push_back({.name = worker.name,
                          .identity = worker.identity,
                          .slots = worker.ready.slots,
                          .assigned = worker.assigned,
                          .resident = &worker.resident});
    peers.push_back(peer);
  }
  const auto decision = ChooseWorker(query, candidates);
  if (!decision) return std::nullopt;
  const PeerId chosen = peers[decision->chosen];
  workers_[chosen].assigned += query.slots;
  return chosen;
}

void WorkerDirectory::Unassign(PeerId worker, uint32_t slots) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return;
  uint32_t& assigned = found->second.assigned;
  assigned -= std::min(assigned, slots);
}

Status WorkerDirectory::CheckSlots(const GenerationOptions& options) const {
  if (workers_.empty()) return {};
  uint32_t most = 0;
  for (const auto& [peer, worker] : workers_) most = std::max(most, worker.ready.slots);
  return options.FitsSlots(most);
}

}  // namespace promptcache
