// The workers that requests may go to. Pure state: time comes from the caller.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "coordinator/routing/fleet_worker.h"

namespace promptcache {

using WorkerId = uint64_t;  // of one life of a worker; never used again

struct FleetLimits {
  // What is reported beyond is not noted: that costs routing some of its knowledge, never an
  // answer.
  size_t max_units_per_worker = 1 << 20;
  size_t max_stored_units = 1 << 22;
};

// What a worker would do for a request: seconds, calibrated.
struct WorkEstimate {
  RequestWork work;
  double displaced_s = 0;  // to load as much again as is not on the device from the tier below
  uint64_t device_tokens = 0;
  bool cold = false;  // a unit is not on the device
};

// Events of unknown workers and requests are ignored. Not thread safe.
class Fleet {
 public:
  explicit Fleet(FleetLimits limits = {}) : limits_(limits) {}

  void Join(WorkerId id, WorkerProfile profile, SteadyTime now);
  // Forgets the worker. Gives the requests it had.
  std::vector<RequestId> Leave(WorkerId id);
  // Gets nothing new until it resumes.
  void Drain(WorkerId id);
  void Resume(WorkerId id);

  void Report(WorkerId id, const WorkerReport& report, SteadyTime measured);
  void SetTier(WorkerId id, const UnitKey& unit, Source tier);
  void ForgetUnits(WorkerId id);  // before a snapshot
  // The store that all workers reach has it.
  void Stored(const UnitKey& unit);
  void Unstored(const UnitKey& unit) { stored_.erase(unit); }

  // See FleetWorker.
  void Assign(const RouteRequest& request, WorkerId id, const RequestWork& work, SteadyTime now);
  void Started(const RequestId& request, SteadyTime at);
  void Measured(const RequestId& request, double work_s);
  void Ended(const RequestId& request, SteadyTime now);

  // Averages over ten seconds whether each worker has work.
  void ObserveLoad(SteadyTime now);

  // Each unit the cheapest way. REQUIRES: the worker fits the request.
  WorkEstimate Estimate(const RouteRequest& request, const FleetWorker& worker) const;
  const std::map<WorkerId, FleetWorker>& workers() const { return workers_; }
  // Of the workers, and of others that are gone: never more than workers that were here at once.
  const std::vector<IdentityDigest>& identities() const { return identities_; }
  // Grows whenever they change: requests that were described before are to be described again.
  uint64_t identities_version() const { return identities_version_; }

 private:
  // The place of an identity among them all.
  uint32_t PlaceOf(const IdentityDigest& identity);
  bool HasWorkerOf(const IdentityDigest& identity) const;
  FleetWorker* Find(WorkerId id);
  FleetWorker* WorkerOf(const RequestId& request);

  const FleetLimits limits_;
  std::map<WorkerId, FleetWorker> workers_;
  std::vector<IdentityDigest> identities_;
  uint64_t identities_version_ = 0;
  std::unordered_set<UnitKey> stored_;
  std::unordered_map<RequestId, WorkerId> worker_of_;
  std::optional<SteadyTime> observed_;
};

}  // namespace promptcache
