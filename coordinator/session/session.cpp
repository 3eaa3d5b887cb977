// Requests: how they come, and how they end.
#include "coordinator/session/session.h"

#include <algorithm>
#include <utility>

#include "coordinator/session/send.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

// The same client wants the answer from here on: a younger attempt of what it sent before.
bool IsSentAgain(const SessionRequest& known, const Submitter& client, const Envelope& envelope) {
  return !std::get<Submit>(envelope.body).tried.empty() && envelope.attempt > known.attempt &&
         known.report.client == client.name && known.report.tenant == client.tenant;
}

}  // namespace

// ---- clients ----

Status SessionTable::Admit(const Envelope& envelope) const {
  const RequestId& id = envelope.request_id;
  if (id.is_zero()) return InvalidArgument("a request without an id");
  if (requests_.contains(id) || warmups_.contains(id)) {
    return AlreadyExists("another client's request with this id is running");
  }
  const auto& submit = std::get<Submit>(envelope.body);
  // What another coordinator had accepted is not turned away as long as there is any room.
  const size_t limit = size_t{limits_.max_active_requests} * (submit.tried.empty() ? 1 : 2);
  if (requests_.size() >= limit) {
    return Busy(std::to_string(requests_.size()) +
                " requests are active, the limit of this coordinator; try again later");
  }
  PC_RETURN_IF_ERROR(submit.options.Validate());
  if (submit.delivered.samples.size() > submit.options.samples) {
    return InvalidArgument("more samples were delivered than asked for");
  }
  return workers_.CheckSlots(submit.options);
}

Actions SessionTable::SubmitReceived(const Submitter& client, const Envelope& envelope,
                                     SteadyTime now) {
  const RequestId& id = envelope.request_id;
  const auto same = requests_.find(id);
  if (same != requests_.end() && IsSentAgain(same->second, client, envelope)) {
    // Over a link that this side still takes for alive, or because a part did not arrive. Whatever
    // its worker does goes on, and is found there.
    Forget(same, FinalOf(Cancelled("sent again by its client")), now);
  } else if (same != requests_.end() && same->second.client == client.peer) {
    ++counters_.unexpected;  // its one Final is on the way
    return {};
  }
  if (const Status refused = Admit(envelope); !refused.ok()) {
    ++counters_.failed;
    return {ToClient(client.peer, id, FinalOf(refused))};
  }
  const auto& submit = std::get<Submit>(envelope.body);
  const milliseconds asked(
      std::min<uint64_t>(envelope.timeout_ms, static_cast<uint64_t>(limits_.max_deadline.count())));
  const PlanTicket ticket{id, ++last_number_};
  requests_.emplace(
      id, SessionRequest{.client = client.peer,
                         .number = ticket.number,
                         .received = now,
                         .deadline = now + (asked.count() > 0 ? asked : limits_.default_deadline),
                         .options = submit.options,
                         .priority = submit.priority,
                         .attempt = envelope.attempt,
                         .delivered = submit.delivered,
                         .report = {.id = id,
                                    .trace = envelope.trace,
                                    .client = client.name,
                                    .tenant = client.tenant,
                                    .received_unix_ms = client.unix_ms},
                         .sent_again = !submit.tried.empty()});
  return {PlanAction{ticket, submit}};
}

bool SessionTable::WaitsFor(const PlanTicket& ticket) const {
  const auto found = requests_.find(ticket.id);
  return found != requests_.end() && found->second.number == ticket.number &&
         found->second.stage == RequestStage::kPlanning;
}

Actions SessionTable::Planned(const PlanTicket& ticket, Result<PlannedPrompt> planned,
                              SteadyTime now) {
  Actions actions;
  if (!WaitsFor(ticket)) return actions;
  const auto found = requests_.find(ticket.id);
  if (!planned.ok()) {
    Finish(found, FinalOf(planned.status()), now, actions);
    return actions;
  }
  SessionRequest& request = found->second;
  request.prompt = *std::move(planned);
  const Plan& plan = request.prompt.plan;
  request.report.schema = request.prompt.schema;
  request.report.version = request.prompt.version;
  request.report.planned_ms = MillisecondsBetween(request.received, now);
  ++counters_.accepted;
  actions.push_back(
      ToClient(request.client, ticket.id,
               Accepted{request.prompt.schema, request.prompt.version,
                        static_cast<uint32_t>(plan.cached_tokens() + plan.new_tokens.size())}));
  request.waiting_since = now;
  if (!request.sent_again) {
    Dispatch(found, now, actions);
    return actions;
  }
  std::vector<PeerId> everybody;
  for (const auto& [peer, worker] : workers_.all()) everybody.push_back(peer);
  Ask(found, everybody, now, actions);
  return actions;
}

Actions SessionTable::CancelReceived(PeerId client, const RequestId& id, SteadyTime now) {
  Actions actions;
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second.client != client) return actions;
  CancelOnWorker(id, found->second, actions);
  Final final = FinalOf(Cancelled("cancelled by the client"));
  final.usage.finish = FinishReason::kCancelled;
  Finish(found, std::move(final), now, actions);
  GiveWaiting(now, actions);
  return actions;
}

Actions SessionTable::ClientGone(PeerId client, SteadyTime now) {
  Actions actions;
  for (const RequestId& id :
       Select([&](const SessionRequest& one) { return one.client == client; })) {
    const auto found = requests_.find(id);
    CancelOnWorker(id, found->second, actions);
    Forget(found, FinalOf(Cancelled("the client has gone")), now);
  }
  GiveWaiting(now, actions);
  return actions;
}

// ---- time ----

Actions SessionTable::Tick(SteadyTime now) {
  Actions actions;
  const auto each = [&](auto wanted, auto act) {
    for (const RequestId& id : Select(wanted)) act(requests_.find(id));
  };
  each([&](const SessionRequest& one) { return now >= one.deadline; },
       [&](Requests::iterator late) {
         Abort(late, DeadlineExceeded("the request's deadline has passed"), now, actions);
       });
  each(
      [&](const SessionRequest& one) {
        return one.stage == RequestStage::kAsking && now >= one.asked_until;
      },
      [&](Requests::iterator unanswered) { Asked(unanswered, now, actions); });
  each(
      [&](const SessionRequest& one) {
        return one.stage == RequestStage::kWaiting && closed_since_ &&
               now - std::max(one.waiting_since, *closed_since_) >= limits_.worker_wait;
      },
      [&](Requests::iterator waiting) {
        const Status why =
            workers_.all().empty()
                ? Unavailable(
                      "no worker is connected; start one with `promptcache up` or "
                      "`promptcache-worker`")
                : Unavailable("no worker takes requests: " + std::to_string(workers_.all().size()) +
                              " are connected, but draining or still warming up; see "
                              "`promptcache status`");
        Finish(waiting, FinalOf(why), now, actions);
      });
  GiveWaiting(now, actions);
  return actions;
}

// ---- operators ----

std::optional<RequestReport> SessionTable::Explain(const RequestId& id) const {
  const auto found = requests_.find(id);
  if (found != requests_.end()) return found->second.report;
  return history_.Find(id);
}

// ---- common ----

std::vector<RequestId> SessionTable::Select(
    const std::function<bool(const SessionRequest&)>& wanted) const {
  std::vector<std::pair<uint64_t, RequestId>> selected;
  for (const auto& [id, request] : requests_) {
    if (wanted(request)) selected.emplace_back(request.number, id);
  }
  std::sort(selected.begin(), selected.end());
  std::vector<RequestId> ids;
  for (const auto& [number, id] : selected) ids.push_back(id);
  return ids;
}

void SessionTable::Finish(Requests::iterator request, Final final, SteadyTime now,
                          Actions& actions) {
  const PeerId client = request->second.client;
  const RequestId id = request->first;
  // Without a worker's account, what the client got is what was generated.
  uint32_t delivered = 0;
  for (const auto& tokens : request->second.delivered.samples) {
    delivered += static_cast<uint32_t>(tokens.size());
  }
  final.usage.generated_tokens = std::max(final.usage.generated_tokens, delivered);
  Forget(request, final, now);
  actions.push_back(ToClient(client, id, std::move(final)));
}

void SessionTable::Forget(Requests::iterator request, const Final& final, SteadyTime now) {
  SessionRequest& entry = request->second;
  if (final.code != Code::kOk) ++counters_.failed;
  if (entry.stage == RequestStage::kRunning) workers_.Measured(request->first, final.usage);
  workers_.Ended(request->first, now);
  waiting_.Remove(request->first);
  RequestReport& report = entry.report;
  report.ended_ms = MillisecondsBetween(entry.received, now);
  report.code = final.code;
  report.message = final.message;
  report.usage = final.usage;
  if (!report.attempts.empty() && report.attempts.back().end.empty()) {
    report.attempts.back().end = CodeName(final.code);
  }
  history_.Add(std::move(report));
  requests_.erase(request);
}

void SessionTable::Abort(Requests::iterator request, const Status& status, SteadyTime now,
                         Actions& actions) {
  CancelOnWorker(request->first, request->second, actions);
  Finish(request, FinalOf(status), now, actions);
}

void SessionTable::CancelOnWorker(const RequestId& id, const SessionRequest& request,
                                  Actions& actions) const {
  if (request.stage != RequestStage::kRunning || !workers_.contains(request.worker)) return;
  actions.push_back(ToWorker(request.worker, id, request.attempt, Cancel{}));
}

}  // namespace promptcache
