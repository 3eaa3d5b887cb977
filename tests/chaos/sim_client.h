// A client with the real request table, which checks what it is given against the contract.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/client/request_table.h"
#include "tests/chaos/oracle.h"
#include "tests/chaos/sim_network.h"

namespace promptcache::chaos {

struct ClientCounts {
  uint64_t submitted = 0;
  uint64_t ok = 0;
  std::map<Code, uint64_t> failed;
};

class SimClient : public SimNode {
 public:
  // Coordinators are tried one after the other.
  SimClient(NodeId id, std::vector<NodeId> coordinators, EventQueue& events, Dice& dice,
            SimNetwork& network);

  void Submit(uint32_t prompt, milliseconds deadline);
  // Requests that have not ended.
  size_t open() const { return open_.size(); }
  const ClientCounts& counts() const { return counts_; }
  // What broke the contract; empty: nothing.
  const std::vector<std::string>& faults() const { return faults_; }

  void LinkLost(LinkNumber link) override;
  void Receive(LinkNumber link, Envelope envelope) override;

 private:
  struct Open {
    uint32_t prompt = 0;
    SteadyTime deadline;
    uint32_t parts = 0;
    std::vector<TokenId> tokens;
  };

  void Connect();
  void Tick();
  void Do(const ClientActions& actions);
  void Part(const ClientPart& part);
  void End(const Answer& answer);
  void Fault(const RequestId& id, const std::string& what);

  const NodeId id_;
  const std::vector<NodeId> coordinators_;
  EventQueue& events_;
  Dice& dice_;
  SimNetwork& network_;
  RequestTable table_{milliseconds(1'500)};
  size_t next_ = 0;
  LinkNumber link_ = 0;  // 0: none
  uint32_t last_request_ = 0;
  std::map<RequestId, Open> open_;
  ClientCounts counts_;
  std::vector<std::string> faults_;
};

}  // namespace promptcache::chaos
