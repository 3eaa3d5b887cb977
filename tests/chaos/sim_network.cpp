#include "tests/chaos/sim_network.h"

#include <algorithm>

#include "cluster/wire/codec.h"
#include "tests/chaos/oracle.h"

namespace promptcache::chaos {
namespace {

constexpr milliseconds kLease{300};
constexpr milliseconds kConnectTime{100};

std::pair<NodeId, NodeId> Pair(NodeId a, NodeId b) { return {std::min(a, b), std::max(a, b)}; }

}  // namespace

bool SimNetwork::Passes(NodeId a, NodeId b) const {
  const auto found = partitions_.find(Pair(a, b));
  return found == partitions_.end() || events_.now() >= found->second;
}

milliseconds SimNetwork::Delay() { return dice_.Within(milliseconds(0), milliseconds(4)); }

void SimNetwork::Remove(NodeId id) {
  ++counts_.crashes;
  nodes_.erase(id);
  for (auto& [number, link] : links_) {
    if (!link.broken && (link.ends[0] == id || link.ends[1] == id)) Break(number);
  }
}

void SimNetwork::Break(LinkNumber number) {
  Link& link = links_.at(number);
  link.broken = true;
  for (const int end : {0, 1}) Notice(number, end, dice_.Within(milliseconds(0), kLease));
}

void SimNetwork::Notice(LinkNumber number, int end, milliseconds after) {
  events_.After(after, [this, number, end] {
    const auto found = links_.find(number);
    if (found == links_.end() || !std::exchange(found->second.up[end], false)) return;
    Link& link = found->second;
    link.broken = true;
    if (link.up[1 - end]) Notice(number, 1 - end, dice_.Within(milliseconds(0), kLease));
    const NodeId owner = link.ends[end];
    if (!link.up[1 - end]) links_.erase(found);
    const auto node = nodes_.find(owner);
    if (node != nodes_.end()) node->second->LinkLost(number);
  });
}

void SimNetwork::Partition(NodeId a, NodeId b, milliseconds duration) {
  ++counts_.partitions;
  partitions_[Pair(a, b)] = events_.now() + duration;
  if (duration < kLease) return;  // too short for anybody to notice: what was sent is lost
  events_.After(kLease, [this, a, b] {
    for (auto& [number, link] : links_) {
      if (!link.broken && Pair(link.ends[0], link.ends[1]) == Pair(a, b)) Break(number);
    }
  });
}

void SimNetwork::Heal() {
  faults_ = {};
  partitions_.clear();
}

void SimNetwork::Connect(NodeId from, NodeId to,
                         std::function<void(std::optional<LinkNumber>)> done) {
  if (!nodes_.contains(to) || !Passes(from, to)) {
    return events_.After(kConnectTime, [done = std::move(done)] { done(std::nullopt); });
  }
  events_.After(Delay() + Delay(), [this, from, to, done = std::move(done)] {
    const auto listener = nodes_.find(to);
    if (!nodes_.contains(from)) return;
    if (listener == nodes_.end()) return done(std::nullopt);
    const LinkNumber number = ++last_link_;
    links_[number] = {.ends = {from, to}};
    listener->second->PeerUp(number, from);
    done(number);
  });
}

void SimNetwork::Close(LinkNumber link, NodeId by) {
  const auto found = links_.find(link);
  if (found == links_.end()) return;
  const int end = found->second.ends[0] == by ? 0 : 1;
  found->second.up[end] = false;
  found->second.broken = true;
  Notice(link, 1 - end, dice_.Within(milliseconds(0), kLease));
}

void SimNetwork::CheckTrace(const Envelope& envelope) {
  const RequestId& id = envelope.request_id;
  if (id.is_zero()) return;
  traces_.messages.insert(MessageName(envelope.body));
  if (envelope.trace == TraceOf(id) || !traces_.faults.empty()) return;
  traces_.faults.push_back("request " + id.ToHex() + ": a " +
                           std::string(MessageName(envelope.body)) + " has the trace '" +
                           envelope.trace + "'");
}

bool SimNetwork::Send(LinkNumber link, NodeId from, const Envelope& envelope) {
  const auto found = links_.find(link);
  if (found == links_.end()) return false;
  CheckTrace(envelope);
  Link& on = found->second;
  const int end = on.ends[0] == from ? 0 : 1;
  if (!on.up[end]) return false;
  if (on.broken || !Passes(on.ends[0], on.ends[1])) return true;  // nobody knows yet
  if (dice_.OneIn(faults_.drop)) {
    ++counts_.dropped;
    return true;
  }
  SteadyTime arrives = events_.now() + Delay();
  if (dice_.OneIn(faults_.overtake)) {
    ++counts_.overtaken;  // or is overtaken
    arrives += dice_.Within(milliseconds(0), milliseconds(30));
  } else {
    arrives = on.last[end] = std::max(arrives, on.last[end]);
  }
  Deliver(link, 1 - end, envelope, arrives);
  if (dice_.OneIn(faults_.duplicate)) {
    ++counts_.duplicated;
    Deliver(link, 1 - end, envelope, arrives + Delay());
  }
  return true;
}

void SimNetwork::Deliver(LinkNumber number, int to, const Envelope& envelope, SteadyTime when) {
  events_.At(when, [this, number, to, envelope] {
    const auto found = links_.find(number);
    if (found == links_.end() || found->second.broken || !found->second.up[to]) return;
    const auto node = nodes_.find(found->second.ends[to]);
    if (node != nodes_.end()) node->second->Receive(number, envelope);
  });
}

}  // namespace promptcache::chaos
