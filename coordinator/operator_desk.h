// What operators want to know, and what they ask of workers. Internal to coordinator/.
#pragma once

#include <functional>
#include <string>

#include "cluster/transport/peer_table.h"
#include "coordinator/session/session.h"
#include "coordinator/worker_relay.h"

namespace promptcache {

// Belongs to the reactor thread.
class OperatorDesk {
 public:
  // The links to workers and the sessions outlive the desk. `process` fills in what is not about
  // requests and workers.
  OperatorDesk(const SessionTable& sessions, PeerTable& workers,
               std::function<StatusReply()> process, WorkerRelay::Answer answer)
      : sessions_(sessions),
        process_(std::move(process)),
        answer_(std::move(answer)),
        relay_(workers, answer_) {}

  // False: the message is not for the desk. Where links have keys, a client hears of its own
  // tenant's requests only, and not what workers have to do for others.
  bool Handle(const PeerInfo& peer, const RequestId& id, const Message& body, SteadyTime now);
  // Of a worker. False: nothing was asked that this answers.
  bool AnswerReceived(const PeerInfo& worker, const Envelope& envelope);
  StatusReply Status(SteadyTime now) const;  // all of it
  void ClientGone(PeerId client) { relay_.ClientGone(client); }
  void WorkerGone(PeerId worker) { relay_.WorkerGone(worker); }

 private:
  StatusReply StatusFor(const std::string& tenant, SteadyTime now) const;
  Message Explain(const PeerInfo& peer, const ExplainQuery& query) const;
  void Drain(PeerId client, const RequestId& id, const DrainWorker& drain);

  const SessionTable& sessions_;
  const std::function<StatusReply()> process_;
  const WorkerRelay::Answer answer_;
  WorkerRelay relay_;
};

}  // namespace promptcache
