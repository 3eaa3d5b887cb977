// What goes wrong in a run, and when: follows from the seed alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace promptcache::chaos {

using std::chrono::milliseconds;

enum class FaultKind : uint8_t {
  kKill,       // SIGKILL; the supervisor starts the process again
  kStop,       // SIGSTOP, later SIGCONT
  kPartition,  // nothing gets through; connections stay open
  kCut,        // connections end, new ones too
  kSlow,       // everything takes longer
  kDiskFull,
  kClockStep,
};
inline constexpr FaultKind kFaultKinds[] = {
    FaultKind::kKill, FaultKind::kStop,     FaultKind::kPartition, FaultKind::kCut,
    FaultKind::kSlow, FaultKind::kDiskFull, FaultKind::kClockStep};
const char* FaultName(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kKill;
  std::string target;      // a process or a link
  milliseconds at{0};      // after the beginning
  milliseconds length{0};  // until it is undone
};

// What one kind may happen to. A kind may have several groups; one without any does not occur.
struct FaultGroup {
  FaultKind kind = FaultKind::kKill;
  std::vector<std::string> targets;
};

struct FaultPlanOptions {
  uint64_t seed = 0;
  milliseconds time{0};     // the last fault begins before that
  milliseconds pause{300};  // between two, on average
  milliseconds lease{0};    // lengths are shorter and longer than this
};

// Ascending by time. Every kind once, in any order, then every group with the same chance; a target
// has one fault at a time.
std::vector<Fault> PlanFaults(const FaultPlanOptions& options,
                              const std::vector<FaultGroup>& groups);

}  // namespace promptcache::chaos
