#include "coordinator/session/session.h"

#include <algorithm>

namespace promptcache {
namespace {

using std::chrono::milliseconds;

Action ToClient(PeerId client, const RequestId& id, Message body) {
  return SendAction{Side::kClient, client, {.request_id = id, .body = std::move(body)}};
}

Action ToWorker(PeerId worker, const RequestId& id, uint32_t attempt, Message body) {
  return SendAction{
      Side::kWorker, worker, {.request_id = id, .attempt = attempt, .body = std::move(body)}};
}

Final Failure(const Status& status, Usage usage = {}) {
  return {.code = status.code(), .message = status.message(), .usage = std::move(usage)};
}

}  // namespace

// ---- clients ----

Actions SessionTable::SubmitReceived(PeerId client, const Envelope& envelope, SteadyTime now) {
  const auto& submit = std::get<Submit>(envelope.body);
  Actions actions;
  const auto refuse = [&](const Status& status) {
    ++counters_.failed;
    actions.push_back(ToClient(client, envelope.request_id, Failure(status)));
    return actions;
  };
  if (envelope.request_id.is_zero()) return refuse(InvalidArgument("a request without an id"));
  if (requests_.contains(envelope.request_id)) {
    ++counters_.unexpected;
    actions.push_back(ToClient(client, envelope.request_id,
                               Reply{Code::kAlreadyExists, "a request with this id is running"}));
    return actions;
  }
  if (requests_.size() >= limits_.max_active_requests) {
    return refuse(Busy(std::to_string(requests_.size()) +
                       " requests are active, the limit of this coordinator; try again later"));
  }
  if (Status status = submit.options.Validate(); !status.ok()) return refuse(status);

  const milliseconds asked(
      std::min<uint64_t>(envelope.timeout_ms, static_cast<uint64_t>(limits_.max_deadline.count())));
  Request request{.client = client,
                  .deadline = now + (asked.count() > 0 ? asked : limits_.default_deadline),
                  .options = submit.options,
                  .attempt = envelope.attempt,
                  .trace = envelope.trace};
  requests_.emplace(envelope.request_id, std::move(request));
  actions.emplace_back(PlanAction{envelope.request_id, submit});
  return actions;
}

Actions SessionTable::Planned(const RequestId& id, Result<PlannedPrompt> planned, SteadyTime now) {
  Actions actions;
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second.state != State::kPlanning) return actions;
  if (!planned.ok()) {
    Finish(found, planned.status(), {}, actions);
    return actions;
  }
  Request& request = found->second;
  request.prompt = *std::move(planned);
  ++counters_.accepted;
  const Plan& plan = request.prompt.plan;
  actions.push_back(
      ToClient(request.client, id,
               Accepted{request.prompt.schema, request.prompt.version,
                        static_cast<uint32_t>(plan.cached_tokens() + plan.new_tokens.size())}));
  request.waiting_since = now;
  Dispatch(found, now, actions);
  return actions;
}

Actions SessionTable::CancelReceived(PeerId client, const RequestId& id) {
  Actions actions;
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second.client != client) return actions;
  CancelOnWorker(id, found->second, actions);
  Usage usage;
  usage.finish = FinishReason::kCancelled;
  Finish(found, Cancelled("cancelled by the client"), std::move(usage), actions);
  return actions;
}

Actions SessionTable::ClientGone(PeerId client) {
  Actions actions;
  for (auto request = requests_.begin(); request != requests_.end();) {
    if (request->second.client != client) {
      ++request;
      continue;
    }
    CancelOnWorker(request->first, request->second, actions);
    Release(request->second);
    ++counters_.failed;
    request = requests_.erase(request);
  }
  return actions;
}

// ---- workers ----

Actions SessionTable::WorkerIsReady(PeerId worker, const std::string& name,
                                    const WorkerReady& ready, SteadyTime now) {
  Actions actions;
  WorkerState& state = workers_[worker];
  state.peer = worker;
  state.name = name;
  state.ready = ready;
  DispatchWaiting(now, actions);
  return actions;
}

Actions SessionTable::WorkerGone(PeerId worker, SteadyTime now) {
  Actions actions;
  const auto gone = workers_.find(worker);
  if (gone == workers_.end()) return actions;
  const std::string name = gone->second.name;
  workers_.erase(gone);
  std::vector<RequestId> orphans;
  for (const auto& [id, request] : requests_) {
    if (request.state == State::kRunning && request.worker == worker) orphans.push_back(id);
  }
  for (const RequestId& id : orphans) {
    const auto found = requests_.find(id);
    Request& request = found->second;
    request.worker = 0;
    if (request.next_seq > 0) {
      Finish(found,
             Unavailable("worker '" + name +
                         "' was lost after part of the answer was delivered; "
                         "send the request again"),
             {}, actions);
      continue;
    }
    ++counters_.retries;
    ++request.attempt;
    request.waiting_since = now;
    Dispatch(found, now, actions);
  }
  return actions;
}

void SessionTable::HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat) {
  const auto found = workers_.find(worker);
  if (found != workers_.end()) found->second.heartbeat = heartbeat;
}

Actions SessionTable::ResidencyReceived(PeerId worker, const Residency& residency) {
  Actions actions;
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return actions;
  WorkerState& state = found->second;
  if (residency.snapshot) {
    state.resident.clear();
    state.in_sync = true;
  } else if (!state.in_sync || residency.seq != state.residency_seq + 1) {
    const bool ask = state.in_sync;  // once; deltas until the snapshot are useless
    state.in_sync = false;
    if (ask) actions.push_back(ToWorker(worker, {}, 0, ResidencyResync{}));
    return actions;
  }
  state.residency_seq = residency.seq;
  for (const UnitKey& key : residency.removed) state.resident.erase(key);
  state.resident.insert(residency.added.begin(), residency.added.end());
  return actions;
}

Actions SessionTable::PartialReceived(PeerId worker, const RequestId& id, const Partial& partial) {
  Actions actions;
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second.worker != worker ||
      partial.seq != found->second.next_seq) {
    ++counters_.unexpected;
    return actions;
  }
  ++found->second.next_seq;
  actions.push_back(ToClient(found->second.client, id, partial));
  return actions;
}

Actions SessionTable::FinalReceived(PeerId worker, const Envelope& envelope, const Final& final,
                                    SteadyTime now) {
  Actions actions;
  const auto found = requests_.find(envelope.request_id);
  if (found == requests_.end() || found->second.worker != worker ||
      found->second.attempt != envelope.attempt) {
    ++counters_.unexpected;
    return actions;
  }
  const Status status = final.code == Code::kOk ? Status() : Status(final.code, final.message);
  Finish(found, status, final.usage, actions);
  DispatchWaiting(now, actions);
  return actions;
}

// ---- time ----

Actions SessionTable::Tick(SteadyTime now) {
  Actions actions;
  std::vector<RequestId> late;
  std::vector<RequestId> stranded;
  for (const auto& [id, request] : requests_) {
    if (now >= request.deadline) {
      late.push_back(id);
    } else if (request.state == State::kWaiting &&
               now - request.waiting_since >= limits_.worker_wait) {
      stranded.push_back(id);
    }
  }
  for (const RequestId& id : late) {
    const auto found = requests_.find(id);
    CancelOnWorker(id, found->second, actions);
    Finish(found, DeadlineExceeded("the request's deadline has passed"), {}, actions);
  }
  for (const RequestId& id : stranded) {
    Finish(requests_.find(id),
           Unavailable("no worker is connected; start one with `promptcache up` or "
                       "`promptcache-worker`"),
           {}, actions);
  }
  return actions;
}

Actions SessionTable::EndAll(const Status& status) {
  Actions actions;
  while (!requests_.empty()) {
    const auto request = requests_.begin();
    CancelOnWorker(request->first, request->second, actions);
    Finish(request, status, {}, actions);
  }
  return actions;
}

// ---- common ----

void SessionTable::Finish(Requests::iterator request, const Status& status, Usage usage,
                          Actions& actions) {
  if (!status.ok()) ++counters_.failed;
  Release(request->second);
  actions.push_back(
      ToClient(request->second.client, request->first, Failure(status, std::move(usage))));
  requests_.erase(request);
}

void SessionTable::Dispatch(Requests::iterator request, SteadyTime now, Actions& actions) {
  Request& entry = request->second;
  std::vector<RouteWorker> candidates;
  std::vector<PeerId> peers;
  for (const auto& [peer, worker] : workers_) {
    candidates.push_back({.name = worker.name,
                          .identity = worker.ready.identity.Digest(),
                          .slots = worker.ready.slots,
                          .assigned = worker.assigned,
                          .resident = &worker.resident});
    peers.push_back(peer);
  }
  const auto decision = ChooseWorker(
      {.affinity = entry.prompt.schema + "@" + entry.prompt.version, .plan = &entry.prompt.plan},
      candidates);
  if (!decision) {
    entry.state = State::kWaiting;
    return;
  }
  WorkerState& worker = workers_[peers[decision->chosen]];
  entry.state = State::kRunning;
  entry.worker = worker.peer;
  ++worker.assigned;
  SendAction send{Side::kWorker, worker.peer, {}};
  send.envelope = {.request_id = request->first,
                   .attempt = entry.attempt,
                   .timeout_ms = static_cast<uint64_t>(std::max<int64_t>(
                       1, std::chrono::duration_cast<milliseconds>(entry.deadline - now).count())),
                   .trace = entry.trace,
                   .body = Run{entry.prompt.plan, entry.options}};
  actions.emplace_back(std::move(send));
}

void SessionTable::DispatchWaiting(SteadyTime now, Actions& actions) {
  std::vector<RequestId> waiting;
  for (const auto& [id, request] : requests_) {
    if (request.state == State::kWaiting) waiting.push_back(id);
  }
  for (const RequestId& id : waiting) Dispatch(requests_.find(id), now, actions);
}

void SessionTable::Release(Request& request) {
  const auto worker = workers_.find(request.worker);
  if (worker != workers_.end() && worker->second.assigned > 0) --worker->second.assigned;
  request.worker = 0;
}

void SessionTable::CancelOnWorker(const RequestId& id, const Request& request, Actions& actions) {
  if (request.state != State::kRunning || !workers_.contains(request.worker)) return;
  actions.push_back(ToWorker(request.worker, id, request.attempt, Cancel{}));
}

}  // namespace promptcache
