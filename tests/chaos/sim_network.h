// Links between simulated processes: messages are delayed, lost, doubled and overtaken, links
// break, and ends of links notice late.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/wire/messages.h"
#include "tests/chaos/event_queue.h"

namespace promptcache::chaos {

using NodeId = uint32_t;
using LinkNumber = uint64_t;  // ascends; also what a listener knows a peer by

// How bad it is: chances are one in so many, 0 is never.
struct Faults {
  uint64_t drop = 0;
  uint64_t duplicate = 0;
  uint64_t overtake = 0;
  uint64_t full = 0;       // of a send of a worker: its queue takes no more
  uint64_t crash = 0;      // of a process, every 100 ms
  uint64_t partition = 0;  // of a pair of processes, every 100 ms
  uint64_t torn_write = 0;
  uint64_t cancel = 0;  // of a request
  uint64_t drain = 0;   // of a worker, every 100 ms
};

struct FaultCounts {
  uint64_t dropped = 0;
  uint64_t duplicated = 0;
  uint64_t overtaken = 0;
  uint64_t full = 0;
  uint64_t crashes = 0;
  uint64_t partitions = 0;
  uint64_t torn_writes = 0;
  uint64_t drains = 0;
};

// Which messages about requests were seen, and the first without the trace of its request.
struct SeenTraces {
  std::set<std::string_view> messages;
  std::vector<std::string> faults;
};

// What a process is to the network.
class SimNode {
 public:
  virtual ~SimNode() = default;
  // Of a listener: somebody has connected.
  virtual void PeerUp(LinkNumber /*link*/, NodeId /*from*/) {}
  virtual void LinkLost(LinkNumber link) = 0;
  virtual void Receive(LinkNumber link, Envelope envelope) = 0;
};

class SimNetwork {
 public:
  SimNetwork(EventQueue& events, Dice& dice, const Faults& faults)
      : events_(events),
        dice_(dice),
        faults_(faults),
        loses_messages_(faults.drop + faults.overtake + faults.partition > 0) {}

  // A process that starts; the node outlives its Remove.
  void Add(NodeId id, SimNode* node) { nodes_[id] = node; }
  // It has crashed: nothing reaches it any more, and its peers notice after a while.
  void Remove(NodeId id);
  bool Has(NodeId id) const { return nodes_.contains(id); }
  // Nothing passes between the two for this long.
  void Partition(NodeId a, NodeId b, milliseconds duration);
  void Heal();  // faults end here

  // Calls `done` with the link, or nullopt when nobody answers, unless the caller is gone then.
  void Connect(NodeId from, NodeId to, std::function<void(std::optional<LinkNumber>)> done);
  // The process closes it; its peer notices after a while.
  void Close(LinkNumber link, NodeId by);
  // False: the link is down at this end.
  bool Send(LinkNumber link, NodeId from, const Envelope& envelope);

  FaultCounts& counts() { return counts_; }
  const SeenTraces& traces() const { return traces_; }
  const Faults& faults() const { return faults_; }
  // Links that stay up did, before faults ended.
  bool loses_messages() const { return loses_messages_; }

 private:
  struct Link {
    NodeId ends[2] = {0, 0};
    bool up[2] = {true, true};  // as this end knows
    bool broken = false;
    SteadyTime last[2];  // when the last message from this end arrives
  };

  void CheckTrace(const Envelope& envelope);
  bool Passes(NodeId a, NodeId b) const;
  milliseconds Delay();
  void Deliver(LinkNumber number, int to, const Envelope& envelope, SteadyTime when);
  void Break(LinkNumber number);
  void Notice(LinkNumber number, int end, milliseconds after);

  EventQueue& events_;
  Dice& dice_;
  Faults faults_;
  const bool loses_messages_;
  FaultCounts counts_;
  SeenTraces traces_;
  std::map<NodeId, SimNode*> nodes_;
  std::map<LinkNumber, Link> links_;
  std::map<std::pair<NodeId, NodeId>, SteadyTime> partitions_;  // until when
  LinkNumber last_link_ = 0;
};

}  // namespace promptcache::chaos
