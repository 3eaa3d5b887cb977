#include "coordinator/operator_desk.h"

#include <utility>

#include "coordinator/reply.h"
#include "coordinator/viewer.h"

namespace promptcache {
namespace {

constexpr size_t kMostSlowRequests = 20;  // that are told of at once

// The scores of workers tell what they have to do for others.
void HideRoutes(ExplainReply& reply) {
  for (RequestReport& request : reply.requests) {
    for (AttemptReport& attempt : request.attempts) attempt.routes.clear();
  }
}

}  // namespace

bool OperatorDesk::Handle(const PeerInfo& peer, const RequestId& id, const Message& body,
                          SteadyTime now) {
  const PeerId client = peer.id;
  if (std::holds_alternative<StatusQuery>(body)) {
    const SchemaViewer viewer = ViewerOf(peer);
    answer_(client, id, viewer.sees_all ? Status(now) : StatusFor(viewer.tenant, now));
  } else if (const auto* query = std::get_if<ExplainQuery>(&body)) {
    answer_(client, id, Explain(peer, *query));
  } else if (const auto* drain = std::get_if<DrainWorker>(&body)) {
    Drain(client, id, *drain);
  } else if (const auto* drop = std::get_if<UnitsDrop>(&body)) {
    std::vector<PeerId> everybody;
    for (const auto& [worker, state] : sessions_.workers().all()) everybody.push_back(worker);
    relay_.DropUnits(client, id, *drop, everybody);
  } else {
    return false;
  }
  return true;
}

bool OperatorDesk::AnswerReceived(const PeerInfo& worker, const Envelope& envelope) {
  if (const auto* dropped = std::get_if<UnitsDropped>(&envelope.body)) {
    relay_.DroppedReceived(worker, envelope.request_id, *dropped);
    return true;
  }
  const auto* reply = std::get_if<Reply>(&envelope.body);
  return reply != nullptr && relay_.ReplyReceived(worker.id, envelope.request_id, *reply);
}

StatusReply OperatorDesk::Status(SteadyTime now) const {
  const SessionCounters& counters = sessions_.counters();
  StatusReply status = process_();
  status.requests_active = static_cast<uint32_t>(sessions_.active());
  status.requests_accepted = counters.accepted;
  status.requests_failed = counters.failed;
  status.workers = sessions_.workers().Statuses(now);
  status.policy = sessions_.workers().policy();
  status.requests_waiting = static_cast<uint32_t>(sessions_.waiting());
  status.requests_rejected = counters.rejected;
  status.requests_resumed = counters.resumed;
  status.tokens = sessions_.history().tokens();
  status.ttft_ms = sessions_.history().TtftMs();
  return status;
}

// What is there to be used, and no count that moves with what other tenants do.
StatusReply OperatorDesk::StatusFor(const std::string& tenant, SteadyTime now) const {
  const StatusReply all = Status(now);
  StatusReply status{.coordinator = all.coordinator,
                     .uptime_ms = all.uptime_ms,
                     .meta_available = all.meta_available,
                     .model = all.model,
                     .context_length = all.context_length,
                     .requests_active = static_cast<uint32_t>(sessions_.active(tenant)),
                     .policy = all.policy};
  for (const WorkerStatus& worker : all.workers) {
    status.workers.push_back({.name = worker.name,
                              .model = worker.model,
                              .device = worker.device,
                              .identity = worker.identity,
                              .live = worker.live,
                              .slots = worker.slots,
                              .draining = worker.draining});
  }
  return status;
}

Message OperatorDesk::Explain(const PeerInfo& peer, const ExplainQuery& query) const {
  const SchemaViewer viewer = ViewerOf(peer);
  const auto may_hear = [&](const RequestReport& report) { return viewer.Sees(report.tenant); };
  ExplainReply reply;
  if (!query.request) {
    reply.requests = sessions_.history().Slowest(kMostSlowRequests, may_hear);
  } else if (auto report = sessions_.Explain(*query.request, may_hear)) {
    reply.requests.push_back(*std::move(report));
  } else {
    return ReplyOf(NotFound("request " + query.request->ToHex() +
                            " is not known here: it was never submitted to this coordinator, or is "
                            "not among its last ones"));
  }
  if (!viewer.sees_all) HideRoutes(reply);
  return reply;
}

void OperatorDesk::Drain(PeerId client, const RequestId& id, const DrainWorker& drain) {
  const auto worker = sessions_.workers().Find(drain.worker);
  if (worker) return relay_.Drain(client, id, *worker, drain);
  answer_(client, id,
          ReplyOf(NotFound("no worker named '" + drain.worker +
                           "' is connected; `promptcache status` lists them")));
}

}  // namespace promptcache
