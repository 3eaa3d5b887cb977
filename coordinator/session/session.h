// The requests and workers of a coordinator: a pure state machine. Events go in, actions come out;
// no sockets, clocks or threads.
//
// A request is planning -> (asking ->) waiting -> running -> gone. Whoever submits a request gets
// exactly one Final for it, and nothing after that; what was refused was not accepted before. A
// request that another coordinator had is looked for at all workers before one gets it; a worker
// that is lost is replaced by another one, which goes on behind what the client has.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "common/tenant_limits.h"
#include "coordinator/counts_by_code.h"
#include "coordinator/routing/waiting_queue.h"
#include "coordinator/session/request.h"
#include "coordinator/session/request_history.h"
#include "coordinator/session/unit_demand.h"
#include "coordinator/session/warmups.h"
#include "coordinator/session/worker_directory.h"

namespace promptcache {

struct SessionLimits {
  // Twice as many with those that are sent again. On links with keys a tenant has no more than it
  // leaves free, so that another one finds a place.
  uint32_t max_active_requests = 1024;
  std::chrono::milliseconds default_deadline{600'000};
  std::chrono::milliseconds max_deadline{86'400'000};
  std::chrono::milliseconds worker_wait{10'000};  // for a worker, when none takes requests
  // For what workers know of a request that is sent again.
  std::chrono::milliseconds ask_wait{1'000};
  // After the start of a coordinator that was there before: its workers come back, and until then
  // nothing is computed that one of them may have.
  std::chrono::milliseconds settle{2'500};
  // Workers that may be lost under one request: a prompt that kills workers must not kill them all.
  uint32_t max_losses = 3;
  TenantLimits tenants;  // of which the requests; twice as many with those that are sent again
  FleetLimits fleet;
  HistoryLimits history;  // requests remembered for operators
  // What a unit is wanted of one worker in ten seconds before another one loads it too; 0: never.
  uint64_t prefetch_requests = 0;
  // A random number: the ids of warm-ups follow from it, and no client may know them beforehand.
  uint64_t warmup_secret = 0;
};

enum class Side : uint8_t { kClient, kWorker };

struct SendAction {
  Side side = Side::kClient;
  PeerId peer = 0;
  Envelope envelope;
};
// A request goes by its id and whose it is (its tenant, and its key where links have keys), here
// and towards workers: ids of others are not known. With no owner, the id itself.
RequestId IdWithin(const std::string& owner, const RequestId& id);

// Names one planning: a client may end a request and submit another under the same id while the
// first is being planned.
struct PlanTicket {
  RequestId id;  // within its tenant
  uint64_t number = 0;
};
// Parse and plan this prompt, then call Planned.
struct PlanAction {
  PlanTicket ticket;
  Submit submit;
  std::string tenant;
};
using Action = std::variant<SendAction, PlanAction>;
// To be done in this order.
using Actions = std::vector<Action>;

// Who sent a request, and when.
struct Submitter {
  PeerId peer = 0;
  std::string name;
  std::string tenant;
  std::string key;  // whose its key is; empty: its link has none
  uint64_t unix_ms = 0;
  bool in_background = false;  // where requests wait, all others go first
};

struct SessionCounters {
  uint64_t accepted = 0;
  uint64_t failed = 0;      // requests that ended with another status than OK, and refusals
  uint64_t rejected = 0;    // of these, that no worker could have done in time
  uint64_t over_limit = 0;  // of these, refusals because their tenant has as many as it may have
  uint64_t unexpected = 0;  // messages that fit no request
  uint64_t retries = 0;     // on another worker
  uint64_t resumed = 0;     // found at a worker, or gone on with behind what was delivered
  uint64_t prefetched = 0;  // units that another worker was told to load
  // By the code of the end, also of those that were refused.
  CountsByCode ended{};
};

// Not thread safe.
class SessionTable {
 public:
  SessionTable(Router router, const SessionLimits& limits, SteadyTime started)
      : limits_(limits),
        started_(started),
        workers_(std::move(router), limits.fleet),
        waiting_(size_t{2} * limits.max_active_requests),
        warmups_(static_cast<uint64_t>(started.time_since_epoch().count()) ^ limits.warmup_secret),
        history_(limits.history),
        demand_(limits.prefetch_requests),
        closed_since_(started) {}

  // ---- clients ----
  // `envelope` holds a Submit.
  Actions SubmitReceived(const Submitter& client, const Envelope& envelope, SteadyTime now);
  // Whether the request still waits for this plan.
  bool WaitsFor(const PlanTicket& ticket) const;
  // Ignored unless the request waits for it.
  Actions Planned(const PlanTicket& ticket, Result<PlannedPrompt> planned, SteadyTime now);
  Actions CancelReceived(const Submitter& client, const RequestId& id, SteadyTime now);
  Actions ClientGone(PeerId client, SteadyTime now);

  // ---- workers ----
  // It gets requests when its first snapshot has come and it has run `warm`.
  Actions WorkerIsReady(PeerId worker, const std::string& name, const WorkerReady& ready,
                        std::vector<PlannedPrompt> warm, SteadyTime now);
  Actions WorkerGone(PeerId worker, SteadyTime now);
  Actions HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat, SteadyTime now);
  Actions ResidencyReceived(PeerId worker, const Residency& residency, SteadyTime now);
  // `envelope` holds a Partial.
  Actions PartialReceived(PeerId worker, const Envelope& envelope, SteadyTime now);
  // `envelope` holds a Final.
  Actions FinalReceived(PeerId worker, const Envelope& envelope, SteadyTime now);
  // `envelope` holds a RequestState.
  Actions RequestStateReceived(PeerId worker, const Envelope& envelope, SteadyTime now);

  // Ends what is past its deadline and what has waited too long for a worker.
  Actions Tick(SteadyTime now);

  // ---- operators ----
  size_t active() const { return requests_.size(); }
  size_t active(const std::string& tenant) const;
  size_t waiting() const { return waiting_.size(); }
  const SessionCounters& counters() const { return counters_; }
  const WorkerDirectory& workers() const { return workers_; }
  const RequestHistory& history() const { return history_; }
  // Of a request that runs or has ended, by the id that its client gave it, if it is `wanted`;
  // nullopt: not known any more.
  std::optional<RequestReport> Explain(
      const RequestId& id, const std::function<bool(const RequestReport&)>& wanted) const;

 private:
  using Requests = std::unordered_map<RequestId, SessionRequest>;

  Status Admit(const RequestId& id, const Envelope& envelope) const;
  // REQUIRES: Admit let it in.
  Status AdmitTenant(const Submitter& client, const Submit& submit);
  // The requests for which `wanted` holds, in the order of their arrival.
  std::vector<RequestId> Select(const std::function<bool(const SessionRequest&)>& wanted) const;

  // Looking for a request that another coordinator had.
  void Ask(Requests::iterator request, const std::vector<PeerId>& workers, SteadyTime now,
           Actions& actions);
  void AskNewcomer(PeerId worker, SteadyTime now, Actions& actions);
  void Asked(Requests::iterator request, SteadyTime now, Actions& actions);
  void TakeOver(Requests::iterator request, PeerId worker, SteadyTime now, Actions& actions);
  void Adopted(Requests::iterator request, SteadyTime now, Actions& actions);
  void PartsWereLost(Requests::iterator request, SteadyTime now, Actions& actions);

  // Giving requests to workers.
  RouteRequest Describe(const PlannedPrompt& prompt) const {
    return workers_.Describe(prompt.plan, prompt.domain);
  }
  void Dispatch(Requests::iterator request, SteadyTime now, Actions& actions);
  void Hold(Requests::iterator request, double work_s);
  bool MustWait(const SessionRequest& request, SteadyTime now) const;
  RoutingDecision Route(SessionRequest& request, double time_left_s, double ahead_s,
                        SteadyTime now);
  void Give(Requests::iterator request, const RoutingDecision& decision, SteadyTime now,
            Actions& actions);
  void GiveWaiting(SteadyTime now, Actions& actions);
  // What is wanted of the chosen worker too often goes to the next home too.
  void Prefetch(const SessionRequest& request, const RoutingDecision& decision, SteadyTime now,
                Actions& actions);
  void StartWarmup(PeerId worker, PlannedPrompt prompt, Actions& actions);
  void Redispatch(Requests::iterator request, const Status& why, SteadyTime now, Actions& actions);
  void NoteOpen(SteadyTime now);

  // The request this worker runs as this attempt; counts the message as unexpected otherwise.
  Requests::iterator RunningOn(PeerId worker, const Envelope& envelope);
  // Sends the one Final and forgets the request; Abort also tells its worker to stop.
  void Finish(Requests::iterator request, Final final, SteadyTime now, Actions& actions);
  void Abort(Requests::iterator request, const Status& status, SteadyTime now, Actions& actions);
  void Forget(Requests::iterator request, const Final& final, SteadyTime now);
  // Its report; nobody hears of it.
  RequestReport Remove(Requests::iterator request, SteadyTime now);
  void CancelOnWorker(const RequestId& id, const SessionRequest& request, Actions& actions) const;

  const SessionLimits limits_;
  const SteadyTime started_;
  Requests requests_;
  std::unordered_map<std::string, size_t> by_tenant_;  // how many of these
  WorkerDirectory workers_;
  WaitingQueue waiting_;
  Warmups warmups_;
  RequestHistory history_;
  UnitDemand demand_;
  SessionCounters counters_;
  uint64_t last_number_ = 0;
  std::optional<SteadyTime> closed_since_;  // no worker takes requests
  bool was_here_before_ = false;            // a worker came with units
};

}  // namespace promptcache
