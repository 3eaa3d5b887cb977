#include "tools/chaos/faults.h"

#include <algorithm>
#include <map>

#include "tests/chaos/dice.h"

namespace promptcache::chaos {
namespace {

// A killed process is left alone until it may be up again.
constexpr milliseconds kRestart{2'500};

milliseconds LengthOf(FaultKind kind, milliseconds lease, Dice& dice) {
  switch (kind) {
    case FaultKind::kKill:
      return kRestart;
    case FaultKind::kStop:
    case FaultKind::kPartition:
    case FaultKind::kCut:
      return dice.OneIn(2) ? dice.Within(lease / 10, lease * 4 / 5)
                           : dice.Within(lease * 6 / 5, lease * 3);
    default:
      return dice.Within(lease, lease * 5);
  }
}

// Each kind that there are groups of, in any order.
std::vector<FaultKind> KindsOf(const std::vector<FaultGroup>& groups, Dice& dice) {
  std::vector<FaultKind> kinds;
  for (const FaultGroup& group : groups) {
    if (std::ranges::find(kinds, group.kind) != kinds.end()) continue;
    const auto place = static_cast<ptrdiff_t>(dice.Below(kinds.size() + 1));
    kinds.insert(kinds.begin() + place, group.kind);
  }
  return kinds;
}

// Of a kind that has not been yet, while there is one.
const FaultGroup& Pick(const std::vector<FaultGroup>& groups, const std::vector<FaultKind>& due,
                       Dice& dice) {
  while (true) {
    const FaultGroup& group = groups[dice.Below(groups.size())];
    if (due.empty() || group.kind == due.back()) return group;
  }
}

}  // namespace

const char* FaultName(FaultKind kind) {
  constexpr const char* kNames[] = {"kill",      "stop",      "partition", "cut",
                                    "slow link", "disk full", "clock step"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<Fault> PlanFaults(const FaultPlanOptions& options,
                              const std::vector<FaultGroup>& groups) {
  std::vector<Fault> faults;
  if (groups.empty()) return faults;
  Dice dice(options.seed);
  std::vector<FaultKind> due = KindsOf(groups, dice);
  std::map<std::string, milliseconds> busy_until;
  for (milliseconds at{0};;) {
    at += dice.Within(milliseconds(1), options.pause * 2);
    if (at >= options.time) return faults;
    const FaultGroup& group = Pick(groups, due, dice);
    const std::string& target = group.targets[dice.Below(group.targets.size())];
    const milliseconds length = LengthOf(group.kind, options.lease, dice);
    milliseconds& busy = busy_until[target];
    if (busy > at) continue;
    busy = at + length;
    if (!due.empty()) due.pop_back();
    faults.push_back({.kind = group.kind, .target = target, .at = at, .length = length});
  }
}

}  // namespace promptcache::chaos
