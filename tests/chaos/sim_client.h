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
  uint64_t continued = 0;  // of these, that were sent over more than one link
  uint64_t cancelled = 0;  // by the client
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
  const Status& last_end() const { return last_end_; }
  // What broke the contract; empty: nothing.
  const std::vector<std::string>& faults() const { return faults_; }

  void LinkLost(LinkNumber link) override;
  void Receive(LinkNumber link, Envelope envelope) override;

 private:
  struct Open {
    uint32_t prompt = 0;
    SteadyTime submitted;
    SteadyTime deadline;
    uint32_t parts = 0;
    uint32_t gaps = 0;
    bool cancelled = false;
    bool sent_again = false;
    Code said = Code::kOk;  // by a coordinator, at the end
    std::vector<TokenId> tokens;
    std::string text;
  };

  void Connect();
  void Tick();
  void Cancel(const RequestId& id);
  // Before the table hears of it.
  void Note(const Envelope& envelope);
  void Do(const ClientActions& actions);
  void Part(const ClientPart& part);
  void End(const Answer& answer);
  // Whether trouble is a reason for this end.
  bool IsExplained(Code code, const Open& open) const;
  void Fault(const RequestId& id, const std::string& what);

  const NodeId id_;
  const std::vector<NodeId> coordinators_;
  EventQueue& events_;
  Dice& dice_;
  SimNetwork& network_;
  RequestTable table_;
  size_t next_ = 0;
  LinkNumber link_ = 0;  // 0: none
  SteadyTime unlinked_since_;
  uint32_t last_request_ = 0;
  std::map<RequestId, Open> open_;
  ClientCounts counts_;
  Status last_end_;
  std::vector<std::string> faults_;
};

}  // namespace promptcache::chaos
