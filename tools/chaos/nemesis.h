// Carries out a plan of faults on a running cluster.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "tools/chaos/faults.h"
#include "tools/chaos/link_proxies.h"
#include "tools/chaos/processes.h"
#include "tools/chaos/sandbox.h"

namespace promptcache::chaos {

// What faults are done with. Links are proxied or direct: one of `proxies` and `namespaces` is
// null.
struct Hands {
  Processes* processes = nullptr;
  LinkProxies* proxies = nullptr;
  Namespaces* namespaces = nullptr;
  std::map<std::string, std::vector<std::string>> links;      // LinkSets, where there are proxies
  std::map<std::string, std::unique_ptr<SmallDisk>> disks;    // by process
  std::map<std::string, std::unique_ptr<FalseClock>> clocks;  // by process
};

// Links by the name that a fault has for them: one link, or all that lead to a coordinator.
std::map<std::string, std::vector<std::string>> LinkSets(const Topology& topology);

// What may happen where, with these hands.
std::vector<FaultGroup> GroupsOf(const Topology& topology, const Hands& hands);

// Belongs to the thread that the processes belong to.
class Nemesis {
 public:
  Nemesis(Hands& hands, std::vector<Fault> plan) : hands_(hands), plan_(std::move(plan)) {}

  // Begins what is due so long after the beginning, and undoes what has lasted long enough.
  void Tick(milliseconds now);
  // Undoes everything. Nothing begins any more.
  void Heal();
  // What was done, by kind; what could not be, such as to kill who is dead, is not counted.
  const std::map<FaultKind, uint64_t>& injected() const { return injected_; }
  const std::vector<Fault>& done() const { return done_; }

 private:
  bool Begin(const Fault& fault);
  void Undo(const Fault& fault);
  void SetLinks(const std::string& set, LinkMode mode);
  void SetLink(const Fault& fault);

  Hands& hands_;
  const std::vector<Fault> plan_;
  size_t next_ = 0;
  std::vector<Fault> open_;  // begun and not undone
  std::vector<Fault> done_;
  std::map<FaultKind, uint64_t> injected_;
};

}  // namespace promptcache::chaos
