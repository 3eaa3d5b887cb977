#include "coordinator/worker_relay.h"

#include <set>
#include <utility>

#include "coordinator/reply.h"

namespace promptcache {
namespace {

constexpr size_t kMostQuestions = 64;  // of each kind, that wait for workers

}  // namespace

void WorkerRelay::SendTo(PeerId worker, const RequestId& id, Message body) {
  const Status sent = workers_.Send(worker, {.request_id = id, .body = std::move(body)});
  if (!sent.ok()) workers_.Drop(worker, sent);
}

void WorkerRelay::DropUnits(PeerId client, const RequestId& request, const UnitsDrop& drop,
                            const std::vector<PeerId>& workers) {
  if (drops_.size() >= kMostQuestions) {
    return answer_(client, request, ReplyOf(Busy("too many wait for workers to drop units")));
  }
  const RequestId id = RequestId::Random();
  drops_.Start(id, {.client = client,
                    .request = request,
                    .waits_for = std::set<PeerId>(workers.begin(), workers.end()),
                    .report = {}});
  for (const PeerId worker : workers) SendTo(worker, id, drop);
  AnswerDrops();
}

void WorkerRelay::AnswerDrops() {
  for (UnitDrops::Asked& asked : drops_.TakeComplete()) {
    answer_(asked.client, asked.request, std::move(asked.report));
  }
}

void WorkerRelay::DroppedReceived(const PeerInfo& worker, const RequestId& id,
                                  const UnitsDropped& dropped) {
  drops_.AnswerReceived(id, worker.id, worker.hello.name, dropped);
  AnswerDrops();
}

void WorkerRelay::Drain(PeerId client, const RequestId& request, PeerId worker,
                        const DrainWorker& drain) {
  if (drains_.size() >= kMostQuestions) {
    return answer_(client, request, ReplyOf(Busy("too many wait for workers to drain")));
  }
  const RequestId id = RequestId::Random();
  drains_[id] = {.client = client, .request = request, .worker = worker};
  SendTo(worker, id, drain);
}

bool WorkerRelay::ReplyReceived(PeerId worker, const RequestId& id, const Reply& reply) {
  const auto found = drains_.find(id);
  if (found == drains_.end() || found->second.worker != worker) return false;
  const Question question = found->second;
  drains_.erase(found);
  answer_(question.client, question.request, reply);
  return true;
}

void WorkerRelay::ClientGone(PeerId client) {
  drops_.ClientGone(client);
  std::erase_if(drains_, [&](const auto& entry) { return entry.second.client == client; });
}

void WorkerRelay::WorkerGone(PeerId worker) {
  drops_.WorkerGone(worker);
  AnswerDrops();
  std::vector<Question> lost;
  std::erase_if(drains_, [&](const auto& entry) {
    if (entry.second.worker != worker) return false;
    lost.push_back(entry.second);
    return true;
  });
  for (const Question& question : lost) {
    answer_(question.client, question.request, ReplyOf(Unavailable("the worker was lost")));
  }
}

}  // namespace promptcache
