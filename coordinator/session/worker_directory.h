// The workers of a coordinator: what they say of themselves, and how that looks to routing. Pure
// state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "coordinator/routing/router.h"

namespace promptcache {

struct WorkerState {
  std::string name;
  WorkerReady ready;
  Heartbeat heartbeat;
  uint64_t residency_seq = 0;
  uint64_t residency_digest = 0;  // of the deltas up to here, as in Heartbeat
  bool in_sync = false;           // residency deltas apply from here on
  bool known = false;             // a snapshot has come
  SteadyTime asked;               // for a snapshot, or since when one is on its way
  bool warm = true;               // what it has to hold before it gets requests is there
  bool open = false;              // gets requests: known, warm and not draining
};

enum class ResidencyOutcome : uint8_t { kTaken, kAskForSnapshot, kIgnored };

// Peers are the workers of the fleet. Events of unknown ones are ignored. Not thread safe.
class WorkerDirectory {
 public:
  WorkerDirectory(Router router, FleetLimits limits) : router_(std::move(router)), fleet_(limits) {}

  // Greeted. It gets requests once the first snapshot of its units has come and it is warm.
  void Ready(PeerId worker, const std::string& name, const WorkerReady& ready, SteadyTime now);
  // Until Warm is called it gets no requests. REQUIRES: known.
  void MustWarm(PeerId worker);
  void Warm(PeerId worker);
  // What it was, or nullopt when it was not known. Its requests are nobody's then.
  std::optional<WorkerState> Remove(PeerId worker);
  // A digest that differs from what came asks for a snapshot, as does a number that did not come;
  // again each second until there is one.
  ResidencyOutcome HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat, SteadyTime now);
  // Deltas apply in sequence after a snapshot. A gap asks for a snapshot, once.
  ResidencyOutcome ResidencyReceived(PeerId worker, const Residency& residency, SteadyTime now);

  // For a plan with units of this domain: under the identities that workers have now.
  RouteRequest Describe(const Plan& plan, uint64_t domain) const {
    RouteRequest request = MakeRouteRequest(plan, identities(), domain);
    request.identities_version = fleet_.identities_version();
    return request;
  }
  // The identities have changed since the request was described.
  bool IsOutdated(const RouteRequest& request) const {
    return request.identities_version != fleet_.identities_version();
  }
  // Where to run it; books it there when that is the outcome.
  RoutingDecision Route(const RouteRequest& request, SteadyTime now);
  // Books it on a worker that has it already. REQUIRES: known.
  void Found(const RouteRequest& request, PeerId worker, SteadyTime now);
  void Started(const RequestId& request, SteadyTime now) { fleet_.Started(request, now); }
  // What the worker says of a request that ends there, with units of this domain.
  void Measured(const RequestId& request, const Usage& usage, uint64_t domain);
  void Ended(const RequestId& request, SteadyTime now) { fleet_.Ended(request, now); }

  // kResourceExhausted when there are workers but none with slots for all samples.
  Status CheckSlots(const GenerationOptions& options) const;
  // Whether all workers have said how fast they are: else no deadline is held against them.
  bool AllMeasured() const;
  bool HasOpen() const;
  bool HasOpenFor(const GenerationOptions& options) const;
  // Some worker could be given a small request.
  bool HasRoom(SteadyTime now) const { return router_.HasRoom(fleet_, now); }
  // A worker has a unit of it on its device. REQUIRES: described under the present identities.
  bool IsOnSomeDevice(const RouteRequest& request) const;
  bool contains(PeerId worker) const { return workers_.contains(worker); }
  std::optional<PeerId> Find(const std::string& name) const;
  const std::map<PeerId, WorkerState>& all() const { return workers_; }
  const Fleet& fleet() const { return fleet_; }
  std::string_view policy() const { return router_.policy(); }
  std::vector<WorkerStatus> Statuses(SteadyTime now) const;

 private:
  WorkerState* Known(PeerId worker);
  void Reopen(PeerId worker, WorkerState& state);
  static ResidencyOutcome Ask(WorkerState& state, SteadyTime now);
  void Note(PeerId worker, WorkerState& state, const UnitKey& key, Source tier);
  const std::vector<IdentityDigest>& identities() const { return fleet_.identities(); }

  const Router router_;
  Fleet fleet_;
  std::map<PeerId, WorkerState> workers_;
};

}  // namespace promptcache
