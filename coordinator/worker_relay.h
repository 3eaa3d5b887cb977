// What operators ask of workers through their coordinator: to drop units, to drain. Internal to
// coordinator/.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "cluster/transport/peer_table.h"
#include "coordinator/session/unit_drops.h"

namespace promptcache {

// Belongs to the reactor thread. Each question is answered once, unless its client goes before.
class WorkerRelay {
 public:
  using Answer = std::function<void(PeerId client, const RequestId& request, Message answer)>;

  // `workers` outlives the relay.
  WorkerRelay(PeerTable& workers, Answer answer) : workers_(workers), answer_(std::move(answer)) {}

  // kBusy when too many wait.
  void DropUnits(PeerId client, const RequestId& request, const UnitsDrop& drop,
                 const std::vector<PeerId>& workers);
  void Drain(PeerId client, const RequestId& request, PeerId worker, const DrainWorker& drain);

  void ClientGone(PeerId client);
  void WorkerGone(PeerId worker);
  void DroppedReceived(const PeerInfo& worker, const RequestId& id, const UnitsDropped& dropped);
  // False: nothing was asked under this id.
  bool ReplyReceived(PeerId worker, const RequestId& id, const Reply& reply);

 private:
  struct Question {
    PeerId client = 0;
    RequestId request;  // the client's
    PeerId worker = 0;
  };

  void SendTo(PeerId worker, const RequestId& id, Message body);
  void AnswerDrops();

  PeerTable& workers_;
  const Answer answer_;
  UnitDrops drops_;
  std::map<RequestId, Question> drains_;  // by the id that the worker answers with
};

}  // namespace promptcache
