#include "coordinator/operator_desk.h"

#include <utility>

#include "coordinator/reply.h"
#include "coordinator/viewer.h"

namespace promptcache {
namespace {

constexpr size_t kMostSlowRequests = 20;  // that are told of at once

}  // namespace

bool OperatorDesk::Handle(const PeerInfo& peer, const RequestId& id, const Message& body,
                          SteadyTime now) {
  const PeerId client = peer.id;
  if (std::holds_alternative<StatusQuery>(body)) {
    answer_(client, id, Status(now));
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

Message OperatorDesk::Explain(const PeerInfo& peer, const ExplainQuery& query) const {
  const auto may_hear = [viewer = ViewerOf(peer)](const RequestReport& report) {
    return viewer.sees_all || report.tenant == viewer.tenant;
  };
  if (!query.request) {
    return ExplainReply{sessions_.history().Slowest(kMostSlowRequests, may_hear)};
  }
  auto report = sessions_.Explain(*query.request, may_hear);
  if (report) return ExplainReply{{*std::move(report)}};
  return ReplyOf(NotFound("request " + query.request->ToHex() +
                          " is not known here: it was never submitted to this coordinator, or is "
                          "not among its last ones"));
}

void OperatorDesk::Drain(PeerId client, const RequestId& id, const DrainWorker& drain) {
  const auto worker = sessions_.workers().Find(drain.worker);
  if (worker) return relay_.Drain(client, id, *worker, drain);
  answer_(client, id,
          ReplyOf(NotFound("no worker named '" + drain.worker +
                           "' is connected; `promptcache status` lists them")));
}

}  // namespace promptcache
