// A coordinator with the real session table. A crash forgets all of it.
#pragma once

#include <map>
#include <string>

#include "coordinator/session/session.h"
#include "tests/chaos/oracle.h"
#include "tests/chaos/sim_network.h"

namespace promptcache::chaos {

class SimCoordinator : public SimNode {
 public:
  // Workers have ids from `first_worker` on. Starts at once.
  SimCoordinator(NodeId id, NodeId first_worker, EventQueue& events, Dice& dice,
                 SimNetwork& network);
  // The events that wait for it do nothing.
  ~SimCoordinator() override { *alive_ = false; }

  const SessionTable& sessions() const { return sessions_; }
  void Drain(NodeId worker, DrainChange change);

  void PeerUp(LinkNumber link, NodeId from) override { peers_[link] = from; }
  void LinkLost(LinkNumber link) override;
  void Receive(LinkNumber link, Envelope envelope) override;

 private:
  void Tick();
  void After(milliseconds delay, std::function<void()> event);
  void FromWorker(LinkNumber link, NodeId worker, const Envelope& envelope);
  void AnswerRecipes(LinkNumber link, const Envelope& envelope);
  void Do(const Actions& actions);
  bool IsWorker(NodeId node) const { return node >= first_worker_; }

  const NodeId id_;
  const NodeId first_worker_;
  EventQueue& events_;
  Dice& dice_;
  SimNetwork& network_;
  SessionTable sessions_;
  std::map<LinkNumber, NodeId> peers_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace promptcache::chaos
