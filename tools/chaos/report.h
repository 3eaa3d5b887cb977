// What a run under chaos has shown, as text and as JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/chaos/checker.h"
#include "tools/chaos/faults.h"

namespace promptcache::chaos {

struct ChaosReport {
  uint64_t seed = 0;
  std::chrono::seconds time{0};
  milliseconds pause{0};          // between two faults, on average
  std::set<FaultKind> permitted;  // faults that were possible
  std::map<FaultKind, uint64_t> injected;
  std::vector<std::pair<std::string, std::string>> not_permitted;  // what, and why
  uint64_t restarts = 0;
  uint64_t requests = 0;
  uint64_t accepted = 0;
  std::map<Code, uint64_t> ends;  // by how; without those that never ended
  uint64_t troubled = 0;  // requests in the time of trouble that their clients did not cancel
  uint64_t troubled_ok = 0;
  uint64_t loaded = 0;  // units that came from a store
  uint64_t resumed = 0;
  milliseconds longest_stall{
      0};                       // of the clients' own process: on a machine that has too much to do
  milliseconds longest_gap{0};  // between two parts of an answer that ended well
  milliseconds healed_after{0};  // from the last fault's end until all was quiet
  std::vector<Violation> violations;
  std::string directory;  // where logs and history lie; empty: nowhere any more
};

// Counts ends, gaps and what is accepted.
void CountRequests(const std::vector<RequestRecord>& records, ChaosReport& report);

// Of `records` of the time of trouble, how many ended well.
void CountTroubled(std::span<const RequestRecord> records, ChaosReport& report);

// What a run must have shown besides that no promise was broken, for a cluster that serves nobody
// breaks none: half of the requests ended well and every kind of fault was injected, where the run
// was long enough and faults were not too many; requests went on elsewhere.
std::vector<Violation> CheckFloors(const ChaosReport& report);

std::string RenderReport(const ChaosReport& report);
nlohmann::json ReportAsJson(const ChaosReport& report);

}  // namespace promptcache::chaos
