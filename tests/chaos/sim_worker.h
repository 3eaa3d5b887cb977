// A worker with the real request log; its engine makes the tokens of the oracle out of units that
// it holds, loads or encodes. A crash forgets all but what is in the store.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "tests/chaos/oracle.h"
#include "tests/chaos/sim_network.h"
#include "tests/chaos/sim_store.h"
#include "worker/requests/request_log.h"

namespace promptcache::chaos {

class SimWorker : public SimNode {
 public:
  // Connects to coordinators 0 ... `coordinators` - 1.
  SimWorker(NodeId id, NodeId coordinators, EventQueue& events, Dice& dice, SimNetwork& network,
            SimStore& store);
  ~SimWorker() override { *alive_ = false; }

  size_t running() const { return jobs_.size(); }

  void LinkLost(LinkNumber link) override;
  void Receive(LinkNumber link, Envelope envelope) override;

 private:
  struct Job {
    RequestRun run;
    uint32_t prompt = 0;
    std::vector<RecipeDigest> units;
    uint32_t next = 0;    // token
    uint32_t length = 0;  // of the answer
    bool acquired = false;
    uint64_t states = 0;
    bool cancelled = false;
  };
  struct Coordinator {
    LinkNumber link = 0;  // 0: not connected
    uint64_t residency_seq = 0;
  };

  void Connect(NodeId coordinator);
  void Heartbeats();
  void SendSnapshot(NodeId coordinator);
  void After(milliseconds delay, std::function<void()> event);
  void RunReceived(NodeId coordinator, const Envelope& envelope);
  void CancelReceived(const Envelope& envelope);
  void Step();
  void Acquire(Job& job);
  bool StepOne(Job& job);  // false: it has ended
  void Deliver(const RequestId& id);
  void Send(const Outgoing& message);
  uint64_t Digest() const;

  const NodeId id_;
  EventQueue& events_;
  Dice& dice_;
  SimNetwork& network_;
  SimStore& store_;
  const Identity identity_{.weights = "w"};
  RequestLog log_;
  std::vector<Coordinator> coordinators_;
  std::map<RequestId, Job> jobs_;  // in the order of their runs where it matters
  std::map<RecipeDigest, uint64_t> memory_;
  bool draining_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace promptcache::chaos
