#include "tools/chaos/nemesis.h"

#include <utility>

namespace promptcache::chaos {
namespace {

constexpr int64_t kClockStepSeconds = 3'600;
constexpr std::pair<const char*, const char*> kLinks[] = {{"client", "coordinator"},
                                                          {"worker", "coordinator"},
                                                          {"worker", "store"},
                                                          {"coordinator", "store"}};

template <typename Map>
std::vector<std::string> KeysOf(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

std::vector<std::string> NamesOf(const std::vector<Node>& nodes) {
  std::vector<std::string> names;
  for (const Node& node : nodes) names.push_back(node.name);
  return names;
}

}  // namespace

std::map<std::string, std::vector<std::string>> LinkSets(const Topology& topology) {
  std::map<std::string, std::vector<std::string>> sets;
  for (const ProxiedLink& link : topology.links()) sets[link.name] = {link.name};
  for (const Node& to : topology.coordinators()) {
    for (const char* from : {"client", "worker"}) {
      sets[std::string(from) + "s>" + to.name] = topology.LinksBetween(from, to.name);
    }
  }
  return sets;
}

std::vector<FaultGroup> GroupsOf(const Topology& topology, const Hands& hands) {
  std::vector<FaultGroup> groups;
  const auto add = [&](FaultKind kind, std::vector<std::string> targets) {
    if (!targets.empty()) groups.push_back({kind, std::move(targets)});
  };
  for (const auto& nodes : {topology.stores(), topology.coordinators(), topology.workers()}) {
    add(FaultKind::kKill, NamesOf(nodes));
    add(FaultKind::kStop, NamesOf(nodes));
    if (hands.namespaces == nullptr) continue;
    add(FaultKind::kPartition, NamesOf(nodes));
    if (hands.namespaces->slowness().ok()) add(FaultKind::kSlow, NamesOf(nodes));
  }
  for (const auto& [from, to] : kLinks) {
    for (const FaultKind kind : {FaultKind::kPartition, FaultKind::kCut, FaultKind::kSlow}) {
      add(kind, topology.LinksBetween(from, to));
    }
  }
  // A client uses one link at a time: what happens to a single one is often nobody's trouble.
  std::vector<std::string> sets;
  for (const auto& [name, links] : hands.links) {
    if (links.size() > 1) sets.push_back(name);
  }
  for (const FaultKind kind : {FaultKind::kPartition, FaultKind::kCut, FaultKind::kSlow}) {
    add(kind, sets);
  }
  add(FaultKind::kDiskFull, KeysOf(hands.disks));
  add(FaultKind::kClockStep, KeysOf(hands.clocks));
  return groups;
}

void Nemesis::Tick(milliseconds now) {
  std::erase_if(open_, [&](const Fault& fault) {
    if (fault.at + fault.length > now) return false;
    Undo(fault);
    return true;
  });
  for (; next_ < plan_.size() && plan_[next_].at <= now; ++next_) {
    const Fault& fault = plan_[next_];
    if (!Begin(fault)) continue;
    ++injected_[fault.kind];
    open_.push_back(fault);
    done_.push_back(fault);
  }
}

void Nemesis::Heal() {
  next_ = plan_.size();
  for (const Fault& fault : std::exchange(open_, {})) Undo(fault);
}

bool Nemesis::Begin(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kKill:
      return hands_.processes->Kill(fault.target);
    case FaultKind::kStop:
      return hands_.processes->Suspend(fault.target);
    case FaultKind::kDiskFull:
      hands_.disks.at(fault.target)->Fill();
      return true;
    case FaultKind::kClockStep:
      hands_.clocks.at(fault.target)
          ->Set(fault.length.count() % 2 == 0 ? kClockStepSeconds : -kClockStepSeconds);
      return true;
    case FaultKind::kPartition:
    case FaultKind::kCut:
    case FaultKind::kSlow:
      SetLink(fault);
      return true;
  }
  return false;
}

void Nemesis::SetLinks(const std::string& set, LinkMode mode) {
  for (const std::string& link : hands_.links.at(set)) hands_.proxies->Set(link, mode);
}

void Nemesis::SetLink(const Fault& fault) {
  if (hands_.namespaces != nullptr) {
    return fault.kind == FaultKind::kSlow ? hands_.namespaces->SlowDown(fault.target)
                                          : hands_.namespaces->Isolate(fault.target);
  }
  const LinkMode mode = fault.kind == FaultKind::kSlow  ? LinkMode::kSlow
                        : fault.kind == FaultKind::kCut ? LinkMode::kCut
                                                        : LinkMode::kPartitioned;
  SetLinks(fault.target, mode);
}

void Nemesis::Undo(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kKill:
      return;  // the supervisor does
    case FaultKind::kStop:
      return hands_.processes->Resume(fault.target);
    case FaultKind::kDiskFull:
      return hands_.disks.at(fault.target)->Free();
    case FaultKind::kClockStep:
      return hands_.clocks.at(fault.target)->Set(0);
    case FaultKind::kPartition:
    case FaultKind::kCut:
    case FaultKind::kSlow:
      if (hands_.namespaces != nullptr) return hands_.namespaces->Restore(fault.target);
      return SetLinks(fault.target, LinkMode::kWhole);
  }
}

}  // namespace promptcache::chaos
