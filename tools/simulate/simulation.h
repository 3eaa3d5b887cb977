// A fleet of modelled workers behind the coordinator's own routing, in virtual time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/routing/router.h"
#include "tools/bench/series.h"
#include "tools/simulate/worker_model.h"
#include "tools/simulate/workload.h"

namespace promptcache {

// What makes the coordinator's picture differ from the truth, and what happens to workers.
struct Disturbances {
  double noise = 0.15;             // each number in a report is off by up to this share
  double report_interval_s = 0.2;  // of backlog, rates and residency, of each worker
  double lost_deltas = 0;  // share of residency deltas; the one after it asks for a snapshot
  double slow_factor = 1;  // from a third on the first worker has this share of its speed
  // For this share of the time, from its middle, the second worker is gone; it comes back empty.
  double away_share = 0;
};

struct SimulationOptions {
  std::string policy = "cost";
  RouterOptions rails{.queue_bound_s = std::numeric_limits<double>::infinity()};
  Disturbances disturbances;
  double deadline_s = std::numeric_limits<double>::infinity();  // to the first token
  double dropped_share = 0.25;  // of the requests, the first ones: not counted
  uint64_t seed = 1;
};

struct SimulationResult {
  std::string workload;
  std::string policy;
  uint64_t seed = 0;
  Series ttft_s;                          // of counted requests
  std::array<uint64_t, 6> unit_tokens{};  // of counted requests, by Source
  std::vector<double> busy_s;             // of each worker's device
  double load = 0;  // seconds of work for each second of each device until the last arrival
  uint64_t bytes_moved = 0;  // between tiers and from the store
  double replicas = 0;       // devices that hold a unit, of those that any holds, at the end
  uint64_t held = 0;         // that waited in the coordinator
  uint64_t rejected = 0;
  Series decision_us;  // of the machine it ran on

  double Share(Source tier) const;  // of unit_tokens
  double busy_balance() const;      // max / mean
};

// kInvalidArgument for an unknown policy or without workers.
Result<SimulationResult> Simulate(const Workload& workload, const std::vector<WorkerModel>& workers,
                                  const SimulationOptions& options);

}  // namespace promptcache
