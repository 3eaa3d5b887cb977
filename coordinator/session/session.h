// The requests and workers of a coordinator: a pure state machine. Events go in, actions come out;
// no sockets, clocks or threads.
//
// A request is planning -> waiting -> running -> gone. Whoever submits a request gets exactly one
// Final for it, and nothing after that; what was refused was not accepted before.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "cluster/transport/transport.h"
#include "cluster/wire/messages.h"
#include "common/clock.h"
#include "coordinator/session/worker_directory.h"

namespace promptcache {

struct SessionLimits {
  uint32_t max_active_requests = 1024;
  std::chrono::milliseconds default_deadline{600'000};
  std::chrono::milliseconds max_deadline{86'400'000};
  std::chrono::milliseconds worker_wait{10'000};  // for a worker, when none is live
  // Workers that may be lost under one request: a prompt that kills workers must not kill them all.
  uint32_t max_losses = 3;
  size_t max_resident_units = 1 << 20;  // remembered per worker
};

enum class Side : uint8_t { kClient, kWorker };

struct SendAction {
  Side side = Side::kClient;
  PeerId peer = 0;
  Envelope envelope;
};
// Names one planning: a client may end a request and submit another under the same id while the
// first is being planned.
struct PlanTicket {
  RequestId id;
  uint64_t number = 0;
};
// Parse and plan this prompt, then call Planned.
struct PlanAction {
  PlanTicket ticket;
  Submit submit;
};
using Action = std::variant<SendAction, PlanAction>;
// To be done in this order.
using Actions = std::vector<Action>;

struct PlannedPrompt {
  std::string schema;
  std::string version;
  Plan plan;
  std::shared_ptr<const void> keep_alive;  // the schema, while the request may ask for its recipes
};

struct SessionCounters {
  uint64_t accepted = 0;
  uint64_t failed = 0;      // requests that ended with another status than OK, and refusals
  uint64_t unexpected = 0;  // messages that fit no request
  uint64_t retries = 0;     // on another worker
};

// Not thread safe.
class SessionTable {
 public:
  explicit SessionTable(SessionLimits limits)
      : limits_(limits), workers_(limits.max_resident_units) {}

  // ---- clients ----
  // `envelope` holds a Submit.
  Actions SubmitReceived(PeerId client, const Envelope& envelope, SteadyTime now);
  // Whether the request still waits for this plan.
  bool WaitsFor(const PlanTicket& ticket) const;
  // Ignored unless the request waits for it.
  Actions Planned(const PlanTicket& ticket, Result<PlannedPrompt> planned, SteadyTime now);
  Actions CancelReceived(PeerId client, const RequestId& id);
  Actions ClientGone(PeerId client);

  // ---- workers ----
  Actions WorkerIsReady(PeerId worker, const std::string& name, const WorkerReady& ready,
                        SteadyTime now);
  Actions WorkerGone(PeerId worker, SteadyTime now);
  void HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat);
  Actions ResidencyReceived(PeerId worker, const Residency& residency);
  // `envelope` holds a Partial.
  Actions PartialReceived(PeerId worker, const Envelope& envelope);
  // `envelope` holds a Final.
  Actions FinalReceived(PeerId worker, const Envelope& envelope);

  // Ends what is past its deadline and what has waited too long for a worker.
  Actions Tick(SteadyTime now);
  // Ends everything with this status (shutdown).
  Actions EndAll(const Status& status);

  size_t active() const { return requests_.size(); }
  const SessionCounters& counters() const { return counters_; }
  const std::map<PeerId, WorkerState>& workers() const { return workers_.all(); }

 private:
  enum class State : uint8_t { kPlanning, kWaiting, kRunning };
  struct Request {
    PeerId client = 0;
    uint64_t number = 0;  // ascends in the order of arrival
    State state = State::kPlanning;
    SteadyTime deadline;
    SteadyTime waiting_since;
    GenerationOptions options;
    PlannedPrompt prompt;
    PeerId worker = 0;  // while running
    uint32_t attempt = 0;
    uint32_t losses = 0;  // of workers that ran it
    uint32_t next_seq = 0;
    uint32_t delivered_tokens = 0;
    std::string trace;
  };
  using Requests = std::unordered_map<RequestId, Request>;

  Status Admit(const Envelope& envelope) const;
  // The request this worker runs as this attempt; counts the message as unexpected otherwise.
  Requests::iterator RunningOn(PeerId worker, const Envelope& envelope);
  // The requests for which `wanted` holds, in the order of their arrival.
  template <typename Predicate>
  std::vector<RequestId> Select(Predicate wanted) const;
  // Sends the one Final and forgets the request; Abort also tells its worker to stop.
  void Finish(Requests::iterator request, const Status& status, Usage usage, Actions& actions);
  void Abort(Requests::iterator request, const Status& status, Actions& actions);
  void Dispatch(Requests::iterator request, SteadyTime now, Actions& actions);
  void Redispatch(Requests::iterator request, const std::string& lost, SteadyTime now,
                  Actions& actions);
  void CancelOnWorker(const RequestId& id, const Request& request, Actions& actions) const;

  const SessionLimits limits_;
  Requests requests_;
  WorkerDirectory workers_;
  SessionCounters counters_;
  uint64_t last_number_ = 0;
};

}  // namespace promptcache
