#include "coordinator/session/session.h"

#include <algorithm>
#include <utility>

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

Final FinalOf(const Status& status, Usage usage = {}) {
  return {.code = status.code(), .message = status.message(), .usage = std::move(usage)};
}

}  // namespace

// ---- clients ----

Status SessionTable::Admit(const Envelope& envelope) const {
  if (envelope.request_id.is_zero()) return InvalidArgument("a request without an id");
  if (requests_.contains(envelope.request_id)) {
    return AlreadyExists("another client's request with this id is running");
  }
  if (requests_.size() >= limits_.max_active_requests) {
    return Busy(std::to_string(requests_.size()) +
                " requests are active, the limit of this coordinator; try again later");
  }
  const GenerationOptions& options = std::get<Submit>(envelope.body).options;
  PC_RETURN_IF_ERROR(options.Validate());
  return workers_.CheckSlots(options);
}

Actions SessionTable::SubmitReceived(PeerId client, const Envelope& envelope, SteadyTime now) {
  const auto same = requests_.find(envelope.request_id);
  if (same != requests_.end() && same->second.client == client) {
    ++counters_.unexpected;  // its one Final is on the way
    return {};
  }
  if (const Status refused = Admit(envelope); !refused.ok()) {
    ++counters_.failed;
    return {ToClient(client, envelope.request_id, FinalOf(refused))};
  }
  const auto& submit = std::get<Submit>(envelope.body);
  const milliseconds asked(
      std::min<uint64_t>(envelope.timeout_ms, static_cast<uint64_t>(limits_.max_deadline.count())));
  const PlanTicket ticket{envelope.request_id, ++last_number_};
  Request request{.client = client,
                  .number = ticket.number,
                  .deadline = now + (asked.count() > 0 ? asked : limits_.default_deadline),
                  .options = submit.options,
                  .attempt = envelope.attempt,
                  .trace = envelope.trace};
  requests_.emplace(envelope.request_id, std::move(request));
  return {PlanAction{ticket, submit}};
}

bool SessionTable::WaitsFor(const PlanTicket& ticket) const {
  const auto found = requests_.find(ticket.id);
  return found != requests_.end() && found->second.number == ticket.number &&
         found->second.state == State::kPlanning;
}

Actions SessionTable::Planned(const PlanTicket& ticket, Result<PlannedPrompt> planned,
                              SteadyTime now) {
  Actions actions;
  if (!WaitsFor(ticket)) return actions;
  const auto found = requests_.find(ticket.id);
  if (!planned.ok()) {
    Finish(found, planned.status(), {}, actions);
    return actions;
  }
  Request& request = found->second;
  request.prompt = *std::move(planned);
  ++counters_.accepted;
  const Plan& plan = request.prompt.plan;
  actions.push_back(
      ToClient(request.client, ticket.id,
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
  for (const RequestId& id : Select([&](const Request& one) { return one.client == client; })) {
    const auto found = requests_.find(id);
    CancelOnWorker(id, found->second, actions);
    workers_.Unassign(found->second.worker, found->second.options.samples);
    ++counters_.failed;
    requests_.erase(found);
  }
  return actions;
}

// ---- workers ----

Actions SessionTable::WorkerIsReady(PeerId worker, const std::string& name,
                                    const WorkerReady& ready, SteadyTime now) {
  Actions actions;
  workers_.Ready(worker, name, ready);
  for (const RequestId& id :
       Select([](const Request& one) { return one.state == State::kWaiting; })) {
    Dispatch(requests_.find(id), now, actions);
  }
  return actions;
}

Actions SessionTable::WorkerGone(PeerId worker, SteadyTime now) {
  Actions actions;
  const auto gone = workers_.Remove(worker);
  if (!gone) return actions;
  for (const RequestId& id : Select([&](const Request& one) {
         return one.state == State::kRunning && one.worker == worker;
       })) {
    Redispatch(requests_.find(id), gone->name, now, actions);
  }
  return actions;
}

void SessionTable::Redispatch(Requests::iterator request, const std::string& lost, SteadyTime now,
                              Actions& actions) {
  Request& entry = request->second;
  entry.worker = 0;
  if (entry.next_seq > 0) {
    return Finish(request,
                  Unavailable("worker '" + lost +
                              "' was lost after part of the answer was delivered; send the "
                              "request again"),
                  {}, actions);
  }
  if (++entry.losses >= limits_.max_losses) {
    return Finish(request,
                  Unavailable(std::to_string(entry.losses) +
                              " workers were lost while they ran this request, the last one '" +
                              lost + "'; their logs say why"),
                  {}, actions);
  }
  ++counters_.retries;
  ++entry.attempt;
  entry.waiting_since = now;
  Dispatch(request, now, actions);
}

void SessionTable::HeartbeatReceived(PeerId worker, const Heartbeat& heartbeat) {
  workers_.HeartbeatReceived(worker, heartbeat);
}

Actions SessionTable::ResidencyReceived(PeerId worker, const Residency& residency) {
  if (workers_.ResidencyReceived(worker, residency) != ResidencyOutcome::kAskForSnapshot) return {};
  return {ToWorker(worker, {}, 0, ResidencyResync{})};
}

SessionTable::Requests::iterator SessionTable::RunningOn(PeerId worker, const Envelope& envelope) {
  const auto found = requests_.find(envelope.request_id);
  if (found != requests_.end() && found->second.state == State::kRunning &&
      found->second.worker == worker && found->second.attempt == envelope.attempt) {
    return found;
  }
  ++counters_.unexpected;
  return requests_.end();
}

Actions SessionTable::PartialReceived(PeerId worker, const Envelope& envelope) {
  Actions actions;
  const auto found = RunningOn(worker, envelope);
  if (found == requests_.end()) return actions;
  const auto& partial = std::get<Partial>(envelope.body);
  Request& request = found->second;
  if (partial.seq < request.next_seq) {
    ++counters_.unexpected;
  } else if (partial.seq > request.next_seq) {
    // Without this the answer would end OK with a hole in its text.
    Abort(found,
          DataLoss("a part of the answer was lost on the way from the worker; send the "
                   "request again"),
          actions);
  } else {
    ++request.next_seq;
    request.delivered_tokens += static_cast<uint32_t>(partial.tokens.size());
    actions.push_back(ToClient(request.client, envelope.request_id, partial));
  }
  return actions;
}

Actions SessionTable::FinalReceived(PeerId worker, const Envelope& envelope) {
  Actions actions;
  const auto found = RunningOn(worker, envelope);
  if (found == requests_.end()) return actions;
  const auto& final = std::get<Final>(envelope.body);
  const Status status = final.code == Code::kOk ? Status() : Status(final.code, final.message);
  Finish(found, status, final.usage, actions);
  return actions;
}

// ---- time ----

Actions SessionTable::Tick(SteadyTime now) {
  Actions actions;
  for (const RequestId& id : Select([&](const Request& one) { return now >= one.deadline; })) {
    Abort(requests_.find(id), DeadlineExceeded("the request's deadline has passed"), actions);
  }
  for (const RequestId& id : Select([&](const Request& one) {
         return one.state == State::kWaiting && now - one.waiting_since >= limits_.worker_wait;
       })) {
    Finish(requests_.find(id),
           Unavailable("no worker is connected; start one with `promptcache up` or "
                       "`promptcache-worker`"),
           {}, actions);
  }
  return actions;
}

Actions SessionTable::EndAll(const Status& status) {
  Actions actions;
  for (const RequestId& id : Select([](const Request&) { return true; })) {
    Abort(requests_.find(id), status, actions);
  }
  return actions;
}

// ---- common ----

template <typename Predicate>
std::vector<RequestId> SessionTable::Select(Predicate wanted) const {
  std::vector<std::pair<uint64_t, RequestId>> selected;
  for (const auto& [id, request] : requests_) {
    if (wanted(request)) selected.emplace_back(request.number, id);
  }
  std::sort(selected.begin(), selected.end());
  std::vector<RequestId> ids;
  for (const auto& [number, id] : selected) ids.push_back(id);
  return ids;
}

void SessionTable::Finish(Requests::iterator request, const Status& status, Usage usage,
                          Actions& actions) {
  if (!status.ok()) ++counters_.failed;
  // Without a worker's account, what the client got is what was generated.
  usage.generated_tokens = std::max(usage.generated_tokens, request->second.delivered_tokens);
  workers_.Unassign(request->second.worker, request->second.options.samples);
  actions.push_back(
      ToClient(request->second.client, request->first, FinalOf(status, std::move(usage))));
  requests_.erase(request);
}

void SessionTable::Abort(Requests::iterator request, const Status& status, Actions& actions) {
  CancelOnWorker(request->first, request->second, actions);
  Finish(request, status, {}, actions);
}

void SessionTable::Dispatch(Requests::iterator request, SteadyTime now, Actions& actions) {
  Request& entry = request->second;
  // A worker may have come since it was admitted.
  if (const Status fits = workers_.CheckSlots(entry.options); !fits.ok()) {
    return Finish(request, fits, {}, actions);
  }
  const auto worker = workers_.Assign({.affinity = entry.prompt.schema + "@" + entry.prompt.version,
                                       .plan = &entry.prompt.plan,
                                       .slots = entry.options.samples});
  if (!worker) {
    entry.state = State::kWaiting;
    return;
  }
  entry.state = State::kRunning;
  entry.worker = *worker;
  SendAction send{Side::kWorker, *worker, {}};
  send.envelope = {.request_id = request->first,
                   .attempt = entry.attempt,
                   .timeout_ms = static_cast<uint64_t>(std::max<int64_t>(
                       1, std::chrono::duration_cast<milliseconds>(entry.deadline - now).count())),
                   .trace = entry.trace,
                   .body = Run{.plan = entry.prompt.plan,
                               .options = entry.options,
                               .schema = entry.prompt.schema,
                               .version = entry.prompt.version}};
  actions.emplace_back(std::move(send));
}

void SessionTable::CancelOnWorker(const RequestId& id, const Request& request,
                                  Actions& actions) const {
  if (request.state != State::kRunning || !workers_.contains(request.worker)) return;
  actions.push_back(ToWorker(request.worker, id, request.attempt, Cancel{}));
}

}  // namespace promptcache
