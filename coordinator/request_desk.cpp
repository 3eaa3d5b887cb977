#include "coordinator/request_desk.h"

#include <algorithm>
#include <iterator>

namespace promptcache {
namespace {

constexpr PeerId kBatches = 0;  // as a client of the session table; no peer is called so

}  // namespace

// ---- what is wanted ----

bool RequestDesk::Handle(const PeerInfo& peer, const Envelope& envelope) {
  const Submitter submitter{.peer = peer.id,
                            .name = peer.hello.name,
                            .tenant = peer.tenant(),
                            .key = peer.key == nullptr ? "" : peer.key->owner().name,
                            .unix_ms = deps_.clock.UnixMillis()};
  if (std::holds_alternative<promptcache::Submit>(envelope.body)) {
    Submit(submitter, envelope);
  } else if (std::holds_alternative<promptcache::Cancel>(envelope.body)) {
    Cancel(submitter, envelope.request_id);
  } else {
    return false;
  }
  return true;
}

BatchRunner RequestDesk::ItemRunner() {
  const auto submitter = [this](const std::string& tenant) -> Submitter {
    return {.peer = kBatches,
            .name = "batch",
            .tenant = tenant,
            .unix_ms = deps_.clock.UnixMillis(),
            .in_background = true};
  };
  return {
      .submit = [this, submitter](const std::string& tenant,
                                  const Envelope& submit) { Submit(submitter(tenant), submit); },
      .cancel = [this, submitter](
                    const std::string& tenant,
                    const RequestId& request) { Cancel(submitter(tenant), request); }};
}

void RequestDesk::Submit(const Submitter& submitter, const Envelope& envelope) {
  Perform(deps_.sessions.SubmitReceived(submitter, envelope, deps_.clock.Now()));
}

void RequestDesk::Cancel(const Submitter& submitter, const RequestId& id) {
  Perform(deps_.sessions.CancelReceived(submitter, id, deps_.clock.Now()));
}

// ---- actions ----

// A send that fails drops its peer, which leads to further actions. They come after those that
// were decided before: else a Cancel would overtake the Run it is for.
void RequestDesk::Perform(Actions actions) {
  if (stopped_) return;
  std::move(actions.begin(), actions.end(), std::back_inserter(actions_));
  if (std::exchange(performing_, true)) return;
  while (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    if (auto* plan = std::get_if<PlanAction>(&action)) {
      StartPlanning(std::move(*plan));
    } else {
      Send(std::get<SendAction>(action));
    }
  }
  performing_ = false;
}

void RequestDesk::Send(const SendAction& send) {
  if (send.side == Side::kClient && send.peer == kBatches) return to_batches_(send.envelope);
  PeerTable& table = send.side == Side::kClient ? deps_.clients : deps_.workers;
  const Status status = table.Send(send.peer, send.envelope);
  if (status.ok()) return;
  if (status.code() == Code::kResourceExhausted &&
      std::holds_alternative<Run>(send.envelope.body)) {
    // The worker will never see it: its Final is made here.
    return Perform(deps_.sessions.FinalReceived(
        send.peer,
        {.request_id = send.envelope.request_id,
         .attempt = send.envelope.attempt,
         .body = Final{.code = status.code(), .message = "the plan: " + status.message()}},
        deps_.clock.Now()));
  }
  // A peer that cannot be sent to is gone or hopelessly behind: its on_down does the rest.
  table.Drop(send.peer, status);
}

// What another coordinator had accepted waits until schemas are loaded: workers may run it.
void RequestDesk::StartPlanning(PlanAction plan) {
  if (plan.submit.tried.empty()) return Plan(std::move(plan));
  const auto room = deps_.catalog.Reserve(plan.tenant, BytesOf(plan.submit));
  if (!room.ok()) return Planned(plan.ticket, room.status());
  deps_.catalog.WhenLoaded([this, room = *room, plan = std::move(plan)] {
    if (deps_.sessions.WaitsFor(plan.ticket)) Plan(plan);
  });
}

void RequestDesk::Plan(PlanAction plan) {
  deps_.prompts.Plan(
      std::move(plan.submit), plan.tenant,
      [this, ticket = plan.ticket] { return deps_.sessions.WaitsFor(ticket); },
      [this, ticket = plan.ticket](Result<PlannedPrompt> planned) {
        Planned(ticket, std::move(planned));
      });
}

void RequestDesk::Planned(const PlanTicket& ticket, Result<PlannedPrompt> planned) {
  const SteadyTime begun = deps_.clock.Now();
  Actions actions = deps_.sessions.Planned(ticket, std::move(planned), begun);
  dispatch_s_.Observe(MillisecondsBetween(begun, deps_.clock.Now()) / 1000);
  Perform(std::move(actions));
}

}  // namespace promptcache
