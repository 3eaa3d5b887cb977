// The requests and workers of a coordinator: a pure state machine. Events go in, actions come out;
// no sockets, clocks or threads.
//
// A request is planning -> waiting -> running -> gone. It is accepted when its plan stands; from
// then on exactly one Final is sent for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "coordinator/routing/routing.h"

namespace promptcache {

struct SessionLimits {
  uint32_t max_active_requests = 1024;
  std::chrono::milliseconds default_deadline{600'000};
  std::chrono::milliseconds max_deadline{86'400'000};
  std::chrono::milliseconds worker_wait{10'000};  // for a worker, when none is live
};

enum class Side : uint8_t { kClient, kWorker };

struct SendAction {
  Side side = Side::kClient;
  PeerId peer = 0;
  Envelope envelope;
};
// Parse and plan this prompt, then call Planned.
struct PlanAction {
  RequestId id;
  Submit submit;
};
using Action = std::variant<SendAction, PlanAction>;
using Actions = std::vector<Action>;

struct PlannedPrompt {
  std::string schema;
  std::string version;
  Plan plan;
  std::shared_ptr<const void> keep_alive;  // the schema, while the request may ask for its recipes
};

struct SessionCounters {
  uint64_t accepted = 0;
  uint64_t failed = 0;      // finals that were not OK, and refusals
  uint64_t unexpected = 0;  // messages that fit no request
  uint64_t retries = 0;     // on another worker
};

struct WorkerState {
  PeerId peer = 0;
  std::string name;
  WorkerReady ready;
  Heartbeat heartbeat;
  std::unordered_set<UnitKey> resident;
  uint64_t residency_seq = 0;
  bool in_sync = false;  // residency deltas apply from here on
  uint32_t assigned = 0;
};

// Not thread safe.
class SessionTable {
 public:
  explicit SessionTable(SessionLimits limits) : limits_(limits) {}

  // ---- clients ----
  Actions SubmitReceived(PeerId client, const Envelope& envelope, SteadyTime now);
  Actions Planned(const RequestId& id, Result<PlannedPrompt> planned, SteadyTime now);
  Actions CancelReceived(PeerId client, const RequestId& id);
  Actions ClientGone(PeerId client);

  // ---- workers ----
  Actions WorkerIsReady(PeerId worker, const std::string& name, const WorkerReady& ready,
                        SteadyTime now);
  Actions WorkerGone(PeerId worker, SteadyTime now);
  void HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat);
  Actions ResidencyReceived(PeerId worker, const Residency& residency);
  Actions PartialReceived(PeerId worker, const RequestId& id, const Partial& partial);
  Actions FinalReceived(PeerId worker, const Envelope& envelope, const Final& final,
                        SteadyTime now);

  // Ends what is past its deadline and what has waited too long for a worker.
  Actions Tick(SteadyTime now);
  // Ends everything with this status (shutdown).
  Actions EndAll(const Status& status);

  size_t active() const { return requests_.size(); }
  const SessionCounters& counters() const { return counters_; }
  const std::map<PeerId, WorkerState>& workers() const { return workers_; }

 private:
  enum class State : uint8_t { kPlanning, kWaiting, kRunning };
  struct Request {
    PeerId client = 0;
    State state = State::kPlanning;
    SteadyTime deadline;
    SteadyTime waiting_since;
    GenerationOptions options;
    PlannedPrompt prompt;
    PeerId worker = 0;  // while running
    uint32_t attempt = 0;
    uint32_t next_seq = 0;
    std::string trace;
  };
  using Requests = std::unordered_map<RequestId, Request>;

  // Sends the one Final and forgets the request.
  void Finish(Requests::iterator request, const Status& status, Usage usage, Actions& actions);
  void Dispatch(Requests::iterator request, SteadyTime now, Actions& actions);
  void DispatchWaiting(SteadyTime now, Actions& actions);
  void Release(Request& request);
  void CancelOnWorker(const RequestId& id, const Request& request, Actions& actions);

  const SessionLimits limits_;
  Requests requests_;
  std::map<PeerId, WorkerState> workers_;
  SessionCounters counters_;
};

}  // namespace promptcache
