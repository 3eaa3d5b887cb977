// A worker with the real handling of requests, in front of an engine in virtual time. A crash
// forgets all but what is in the store.
#pragma once

#include <memory>
#include <vector>

#include "tests/chaos/sim_engine.h"
#include "tests/chaos/sim_network.h"
#include "worker/service/resident_units.h"
#include "worker/service/worker_requests.h"

namespace promptcache::chaos {

class SimWorker : public SimNode {
 public:
  // Connects to coordinators 0 ... `coordinators` - 1.
  SimWorker(NodeId id, NodeId coordinators, EventQueue& events, Dice& dice, SimNetwork& network,
            SimStore& store);
  ~SimWorker() override { *alive_ = false; }

  size_t running() const { return engine_.running(); }

  void LinkLost(LinkNumber link) override;
  void Receive(LinkNumber link, Envelope envelope) override;

 private:
  struct Coordinator {
    LinkNumber link = 0;  // 0: not connected
    uint64_t residency_seq = 0;
  };

  RequestsDeps RequestsDepsHere();
  void Connect(NodeId coordinator);
  void Tick();
  void SendSnapshot(NodeId coordinator);
  void UnitsChanged(const UnitChanges& changes);
  void After(milliseconds delay, std::function<void()> event);
  Status Send(NodeId coordinator, const Envelope& envelope);

  const NodeId id_;
  EventQueue& events_;
  Dice& dice_;
  SimNetwork& network_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::vector<Coordinator> coordinators_;
  ResidentUnits units_;
  SimEngine engine_;
  WorkerRequests requests_;
};

}  // namespace promptcache::chaos
