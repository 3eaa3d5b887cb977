#include "coordinator/worker_desk.h"

#include <algorithm>

#include "common/log.h"
#include "coordinator/warm_plan.h"

namespace promptcache {
namespace {

constexpr char kWorkers[] = "(workers)";  // no tenant is called so

}  // namespace

bool WorkerDesk::Handle(const PeerInfo& peer, const Envelope& envelope) {
  if (const auto* ready = std::get_if<WorkerReady>(&envelope.body)) {
    WorkerIsReady(peer, *ready);
  } else if (std::holds_alternative<RecipeQuery>(envelope.body)) {
    AnswerRecipes(peer.id, envelope);
  } else {
    return HandleEvent(peer.id, envelope);
  }
  return true;
}

bool WorkerDesk::HandleEvent(PeerId worker, const Envelope& envelope) {
  SessionTable& sessions = deps_.sessions;
  const SteadyTime now = deps_.clock.Now();
  if (const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body)) {
    perform_(sessions.HeartbeatReceived(worker, *heartbeat, now));
  } else if (const auto* residency = std::get_if<Residency>(&envelope.body)) {
    perform_(sessions.ResidencyReceived(worker, *residency, now));
  } else if (std::holds_alternative<Partial>(envelope.body)) {
    perform_(sessions.PartialReceived(worker, envelope, now));
  } else if (std::holds_alternative<Final>(envelope.body)) {
    perform_(sessions.FinalReceived(worker, envelope, now));
  } else if (std::holds_alternative<RequestState>(envelope.body)) {
    perform_(sessions.RequestStateReceived(worker, envelope, now));
  } else {
    return false;
  }
  return true;
}

void WorkerDesk::WorkerIsReady(const PeerInfo& peer, const WorkerReady& ready) {
  Status fits = CheckWorkerModel(ready, deps_.model);
  if (fits.ok() && deps_.sessions.workers().contains(peer.id)) {
    fits = FailedPrecondition("a worker says once what it serves");
  }
  if (!fits.ok()) return deps_.workers.Drop(peer.id, fits);
  Log(LogLevel::kInfo, "worker ready",
      {{"worker", peer.hello.name}, {"device", ready.device}, {"dtype", ready.identity.dtype}});
  const auto is_known = [this](const std::string& name) {
    return FindWarm(deps_.catalog, name).ok();
  };
  if (std::all_of(warm_.begin(), warm_.end(), is_known)) return Admit(peer.id, ready);
  deps_.catalog.WhenLoaded([this, worker = peer.id, ready] {
    deps_.catalog.CatchUp(kWorkers, [this, worker, ready](const Status& /*known*/) {
      Admit(worker, ready);
      // What it has said meanwhile was not heard.
      (void)deps_.workers.Send(worker, {.body = ResidencyResync{}});
    });
  });
}

void WorkerDesk::Admit(PeerId worker, const WorkerReady& ready) {
  const PeerInfo* const peer = deps_.workers.Find(worker);
  if (peer == nullptr) return;  // it has gone while schemas were loaded
  if (const Status only = DropNamesake(*peer); !only.ok()) {
    return deps_.workers.Drop(worker, only);
  }
  auto warm = WarmSet(deps_.catalog, warm_, deps_.model.context_length);
  perform_(deps_.sessions.WorkerIsReady(worker, peer->hello.name, ready, std::move(warm),
                                        deps_.clock.Now()));
}

// Of two workers with one name the one that started later stays: a worker that was restarted is
// back before the lease of the old one has ended. The failure is for the one that must go.
Status WorkerDesk::DropNamesake(const PeerInfo& peer) {
  for (const auto& [id, worker] : deps_.sessions.workers().all()) {
    if (id == peer.id || worker.name != peer.hello.name) continue;
    const Status taken = AlreadyExists("another worker named '" + worker.name +
                                       "' started later; give each worker its own name");
    if (deps_.workers.Find(id)->hello.epoch > peer.hello.epoch) return taken;
    deps_.workers.Drop(id, taken);
    return {};
  }
  return {};
}

// The worker takes what arrives without a request id, and goes on with the request when its id
// arrives: with the last part.
void WorkerDesk::AnswerRecipes(PeerId worker, const Envelope& envelope) {
  auto parts = deps_.catalog.FindRecipes(std::get<RecipeQuery>(envelope.body).digests);
  for (RecipeReply& part : parts) {
    const bool is_last = &part == &parts.back();
    const Status status =
        deps_.workers.Send(worker, {.request_id = is_last ? envelope.request_id : RequestId{},
                                    .trace = envelope.trace,
                                    .body = std::move(part)});
    if (!status.ok()) return deps_.workers.Drop(worker, status);
  }
}

}  // namespace promptcache
