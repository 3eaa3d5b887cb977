// The workloads and fleets that the routing policies are held against each other in.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tools/simulate/simulation.h"

namespace promptcache {

struct Cell {
  std::string name;
  std::string what;
  ZipfOptions zipf;        // unless it is of the trace
  double trace_speed = 0;  // of the Mooncake trace "conversation"; 0: not of it
  uint32_t gpus = 0;
  uint32_t cpus = 0;

  std::vector<WorkerModel> Workers() const;
  // `traces` has mooncake/conversation_trace.jsonl. Errors: those of ReadTrace.
  Result<Workload> MakeWorkload(const std::filesystem::path& traces) const;
};

const std::vector<Cell>& Cells();
// kInvalidArgument, with the names there are.
Result<Cell> FindCell(std::string_view name);
// +-50 % noise, a report every 2 s, one worker away for 2.5 % of the time.
Disturbances Disturbed();

}  // namespace promptcache
