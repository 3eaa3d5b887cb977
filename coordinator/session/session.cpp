// Requests: how they come, and how they end.
#include "coordinator/session/session.h"

#include <algorithm>
#include <utility>

#include "cluster/wire/traceparent.h"
#include "common/hash.h"
#include "common/text/utf8.h"
#include "coordinator/session/send.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kBusyRetryMs = 1'000;  // until requests may have ended

// What is remembered is short, whatever a worker says.
void Abbreviate(RequestReport& report) {
  const auto cut = [](std::string& text) {
    if (text.size() > kMaxMessageBytes) text = AbbreviateUtf8(text, kMaxMessageBytes);
  };
  cut(report.message);
  for (UnitUsage& unit : report.usage.units) {
    cut(unit.path);
    cut(unit.miss_reason);
  }
}

// The same client wants the answer from here on: a younger attempt of what it sent before.
bool IsSentAgain(const SessionRequest& known, const Submitter& client, const Envelope& envelope) {
  return !std::get<Submit>(envelope.body).tried.empty() && envelope.attempt > known.attempt &&
         known.report.client == client.name && known.report.tenant == client.tenant;
}

// Whoever is told to come again is told when.
Final WithRetryAfter(Final final) {
  if (final.code == Code::kBusy && final.retry_after_ms == 0) final.retry_after_ms = kBusyRetryMs;
  return final;
}

// Who has a key cannot name what others of its tenant have asked for. No name has a slash.
RequestId IdOf(const Submitter& client, const RequestId& id) {
  return IdWithin(client.key.empty() ? client.tenant : client.tenant + '/' + client.key, id);
}

}  // namespace

RequestId IdWithin(const std::string& owner, const RequestId& id) {
  if (owner.empty()) return id;
  Blake2b hash;
  hash.AddString("promptcache request").AddString(owner).AddBytes(id.bytes);
  const Digest256 digest = hash.Finish();
  RequestId within;
  std::copy_n(digest.bytes.begin(), within.bytes.size(), within.bytes.begin());
  return within;
}

// ---- clients ----

Actions SessionTable::SubmitReceived(const Submitter& client, const Envelope& envelope,
                                     SteadyTime now) {
  const RequestId id = IdOf(client, envelope.request_id);
  Actions stop;  // what nobody waits for when this attempt is refused
  bool counted = false;
  const auto same = requests_.find(id);
  if (same != requests_.end() && IsSentAgain(same->second, client, envelope)) {
    // Over a link that this side still takes for alive, or because a part did not arrive. Whatever
    // its worker does goes on, and is found there.
    CancelOnWorker(id, same->second, stop);
    counted = same->second.counted;
    (void)Remove(same, now);
  } else if (same != requests_.end() && same->second.client == client.peer) {
    ++counters_.unexpected;  // its one Final is on the way
    return {};
  }
  const auto& submit = std::get<Submit>(envelope.body);
  Status refused = Admit(id, envelope);
  if (refused.ok()) refused = AdmitTenant(client, submit);
  if (!refused.ok()) {
    ++counters_.failed;
    CountEnd(refused.code(), counters_.ended);
    stop.push_back(SendAction{Side::kClient,
                              client.peer,
                              {.request_id = envelope.request_id,
                               .trace = envelope.trace,
                               .body = WithRetryAfter(FinalOf(refused))}});
    return stop;
  }
  const milliseconds asked(
      std::min<uint64_t>(envelope.timeout_ms, static_cast<uint64_t>(limits_.max_deadline.count())));
  const PlanTicket ticket{id, ++last_number_};
  requests_.emplace(
      id, SessionRequest{
              .client = client.peer,
              .number = ticket.number,
              .received = now,
              .deadline = now + (asked.count() > 0 ? asked : limits_.default_deadline),
              .options = submit.options,
              .priority = static_cast<uint16_t>(client.in_background ? 0 : submit.priority + 1),
              .attempt = envelope.attempt,
              .delivered = submit.delivered,
              .report = {.id = envelope.request_id,
                         .trace = envelope.trace.empty() ? TraceparentOf(envelope.request_id)
                                                         : envelope.trace,
                         .client = client.name,
                         .tenant = client.tenant,
                         .received_unix_ms = client.unix_ms},
              .sent_again = !submit.tried.empty(),
              .counted = counted});
  ++by_tenant_[client.tenant];
  PlanAction plan{ticket, submit, client.tenant};
  plan.submit.delivered = {};
  return {std::move(plan)};
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
    Abort(found, planned.status(), now, actions);
    return actions;
  }
  SessionRequest& request = found->second;
  request.prompt = *std::move(planned);
  const Plan& plan = request.prompt.plan;
  request.report.schema = request.prompt.schema;
  request.report.version = request.prompt.version;
  request.report.planned_ms = MillisecondsBetween(request.received, now);
  const Action accepted = ToClient(
      request, Accepted{request.prompt.schema, request.prompt.version,
                        static_cast<uint32_t>(plan.cached_tokens() + plan.new_tokens.size())});
  request.waiting_since = now;
  if (request.sent_again) {
    std::vector<PeerId> everybody;
    for (const auto& [peer, worker] : workers_.all()) everybody.push_back(peer);
    Ask(found, everybody, now, actions);
  } else {
    Dispatch(found, now, actions);
  }
  // What is refused only now was not accepted before.
  if (!requests_.contains(ticket.id)) return actions;
  if (!std::exchange(found->second.counted, true)) ++counters_.accepted;
  actions.insert(actions.begin(), accepted);
  return actions;
}

Actions SessionTable::CancelReceived(const Submitter& client, const RequestId& id, SteadyTime now) {
  Actions actions;
  const auto found = requests_.find(IdOf(client, id));
  if (found == requests_.end() || found->second.client != client.peer) return actions;
  CancelOnWorker(found->first, found->second, actions);
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
        const SteadyTime closed = closed_since_.value_or(one.waiting_since);
        return one.stage == RequestStage::kWaiting && !workers_.HasOpenFor(one.options) &&
               now - std::max(one.waiting_since, closed) >= limits_.worker_wait;
      },
      [&](Requests::iterator waiting) {
        const Status why =
            workers_.all().empty()
                ? Unavailable(
                      "no worker is connected; start one with `promptcache up` or "
                      "`promptcache-worker`")
                : Unavailable(
                      "no worker takes this request: " + std::to_string(workers_.all().size()) +
                      " are connected, but draining, still warming up or too small; see "
                      "`promptcache status`");
        Finish(waiting, FinalOf(why), now, actions);
      });
  GiveWaiting(now, actions);
  return actions;
}

// ---- operators ----

size_t SessionTable::active(const std::string& tenant) const {
  const auto found = by_tenant_.find(tenant);
  return found == by_tenant_.end() ? 0 : found->second;
}

std::optional<RequestReport> SessionTable::Explain(
    const RequestId& id, const std::function<bool(const RequestReport&)>& wanted) const {
  for (const auto& [within, request] : requests_) {
    if (request.report.id == id && wanted(request.report)) return request.report;
  }
  return history_.Find(id, wanted);
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
  SendAction end = ToClient(request->second, {});
  // Without a worker's account, what the client got is what was generated.
  uint32_t delivered = 0;
  for (const auto& tokens : request->second.delivered.samples) {
    delivered += static_cast<uint32_t>(tokens.size());
  }
  final.usage.generated_tokens = std::max(final.usage.generated_tokens, delivered);
  Forget(request, final, now);
  end.envelope.body = WithRetryAfter(std::move(final));
  actions.emplace_back(std::move(end));
}

void SessionTable::Forget(Requests::iterator request, const Final& final, SteadyTime now) {
  SessionRequest& entry = request->second;
  if (final.code != Code::kOk) ++counters_.failed;
  CountEnd(final.code, counters_.ended);
  if (entry.stage == RequestStage::kRunning) {
    workers_.Measured(request->first, final.usage, entry.prompt.domain);
  }
  RequestReport& report = entry.report;
  report.ended_ms = MillisecondsBetween(entry.received, now);
  report.code = final.code;
  report.message = final.message;
  report.usage = final.usage;
  Abbreviate(report);
  if (!report.attempts.empty() && report.attempts.back().end.empty()) {
    report.attempts.back().end = CodeName(final.code);
  }
  const bool in_background = entry.priority == 0;
  history_.Add(Remove(request, now), {.at = now, .in_background = in_background});
}

RequestReport SessionTable::Remove(Requests::iterator request, SteadyTime now) {
  workers_.Ended(request->first, now);
  waiting_.Remove(request->first);
  const auto of_tenant = by_tenant_.find(request->second.report.tenant);
  if (--of_tenant->second == 0) by_tenant_.erase(of_tenant);
  return std::move(requests_.extract(request).mapped().report);
}

void SessionTable::Abort(Requests::iterator request, const Status& status, SteadyTime now,
                         Actions& actions) {
  CancelOnWorker(request->first, request->second, actions);
  Finish(request, FinalOf(status), now, actions);
}

void SessionTable::CancelOnWorker(const RequestId& id, const SessionRequest& request,
                                  Actions& actions) const {
  if (request.stage == RequestStage::kRunning) {
    if (!workers_.contains(request.worker)) return;
    actions.push_back(ToWorker(request.worker, id, request, Cancel{}));
  } else if (request.sent_again) {
    // Some worker may run it for the coordinator before.
    for (const auto& [peer, worker] : workers_.all()) {
      actions.push_back(ToWorker(peer, id, request, Cancel{}));
    }
  }
}

}  // namespace promptcache
