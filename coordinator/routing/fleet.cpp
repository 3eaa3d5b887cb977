#include "coordinator/routing/fleet.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace promptcache {
namespace {

constexpr double kLoadWindowSeconds = 10;

}  // namespace

FleetWorker* Fleet::Find(WorkerId id) {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second;
}

FleetWorker* Fleet::WorkerOf(const RequestId& request) {
  const auto found = worker_of_.find(request);
  return found == worker_of_.end() ? nullptr : Find(found->second);
}

bool Fleet::HasWorkerOf(const IdentityDigest& identity) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second.profile().identity == identity;
  });
}

// One that no worker has any more gives its place to the next.
uint32_t Fleet::PlaceOf(const IdentityDigest& identity) {
  auto place = std::find(identities_.begin(), identities_.end(), identity);
  if (place == identities_.end()) {
    ++identities_version_;
    place = std::find_if(identities_.begin(), identities_.end(),
                         [this](const IdentityDigest& one) { return !HasWorkerOf(one); });
    if (place == identities_.end()) place = identities_.insert(place, identity);
    *place = identity;
  }
  return static_cast<uint32_t>(place - identities_.begin());
}

void Fleet::Join(WorkerId id, WorkerProfile profile, SteadyTime now) {
  const uint32_t index = PlaceOf(profile.identity);
  workers_.try_emplace(id, std::move(profile), index, now);
}

std::vector<RequestId> Fleet::Leave(WorkerId id) {
  const FleetWorker* worker = Find(id);
  if (worker == nullptr) return {};
  std::vector<RequestId> left = worker->Requests();
  for (const RequestId& request : left) worker_of_.erase(request);
  workers_.erase(id);
  return left;
}

void Fleet::Drain(WorkerId id) {
  if (FleetWorker* worker = Find(id)) worker->Drain();
}

void Fleet::Resume(WorkerId id) {
  if (FleetWorker* worker = Find(id)) worker->Resume();
}

void Fleet::Report(WorkerId id, const WorkerReport& report, SteadyTime measured) {
  if (FleetWorker* worker = Find(id)) worker->Report(report, measured);
}

void Fleet::SetTier(WorkerId id, const UnitKey& unit, Source tier) {
  if (FleetWorker* worker = Find(id)) worker->SetTier(unit, tier, limits_.max_units_per_worker);
}

void Fleet::ForgetUnits(WorkerId id) {
  if (FleetWorker* worker = Find(id)) worker->ForgetUnits();
}

void Fleet::Stored(const UnitKey& unit) {
  if (stored_.size() < limits_.max_stored_units) stored_.insert(unit);
}

void Fleet::Assign(const RouteRequest& request, WorkerId id, const RequestWork& work,
                   SteadyTime now) {
  FleetWorker* worker = Find(id);
  if (worker != nullptr && worker->Assign(request, work, now)) worker_of_[request.id] = id;
}

void Fleet::Started(const RequestId& request, SteadyTime at) {
  if (FleetWorker* worker = WorkerOf(request)) {
    worker->Started(request, at, limits_.max_units_per_worker);
  }
}

void Fleet::Measured(const RequestId& request, double work_s) {
  if (FleetWorker* worker = WorkerOf(request)) worker->Measured(request, work_s);
}

void Fleet::Ended(const RequestId& request, SteadyTime now) {
  if (FleetWorker* worker = WorkerOf(request)) worker->Ended(request, now);
  worker_of_.erase(request);
}

void Fleet::ObserveLoad(SteadyTime now) {
  const double passed = std::chrono::duration<double>(now - observed_.value_or(now)).count();
  const double weight = 1 - std::exp(-std::max(0.0, passed) / kLoadWindowSeconds);
  for (auto& [id, worker] : workers_) worker.Observe(now, weight);
  observed_ = now;
}

WorkEstimate Fleet::Estimate(const RouteRequest& request, const FleetWorker& worker) const {
  const WorkerRates& rates = worker.report().rates;
  const double token_s = rates.TokenSeconds();
  WorkEstimate estimate{.work = {.compute_s = request.new_tokens * token_s}};
  const std::vector<UnitKey>& keys = worker.KeysOf(request);
  for (size_t i = 0; i < keys.size(); ++i) {
    const double tokens = request.unit_tokens[i];
    Source tier = worker.TierOf(keys[i]);
    if (tier == Source::kDevice) {
      estimate.device_tokens += request.unit_tokens[i];
      continue;
    }
    estimate.cold = true;
    if (tier == Source::kEncoded && stored_.contains(keys[i])) tier = rates.StoreTier();
    const double bytes = tokens * static_cast<double>(worker.profile().kv_bytes_per_token);
    const RequestWork unit = rates.UnitWork(tier, bytes, tokens * token_s);
    estimate.work.load_s += unit.load_s;
    estimate.work.compute_s += unit.compute_s;
    estimate.displaced_s += std::min(rates.ReloadSeconds(bytes), tokens * token_s);
  }
  for (double* seconds : {&estimate.work.load_s, &estimate.work.compute_s, &estimate.displaced_s}) {
    *seconds *= worker.calibration();
  }
  return estimate;
}

}  // namespace promptcache
