// Routing: a policy between rails. Pure: all state is in the fleet.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "coordinator/routing/fleet.h"
#include "coordinator/routing/policy.h"

namespace promptcache {

struct RouterOptions {
  // A worker with more work than this gets nothing: the request waits here, where it can still go
  // to another one.
  double queue_bound_s = 2;
  // After it joined, a worker brings units to its device for at most so many requests at a time,
  // while there are others that have been there longer. What needs none that it lacks has room.
  double slow_start_s = 10;
  uint32_t slow_start_requests = 2;
};

enum class Outcome : uint8_t {
  kAssign,   // to the chosen worker
  kHold,     // until the worker it would go to can take it, or another one is better
  kReject,   // no worker can make the deadline
  kNoWorker  // none that could ever take it
};

struct RoutingDecision {
  Outcome outcome = Outcome::kNoWorker;
  size_t chosen = 0;                // of scores; for kHold the one it would like
  double retry_after_s = 0;         // kReject: when it could be made, were nothing else to come
  std::vector<WorkerScore> scores;  // of all workers that could take it, by worker
};

class Router {
 public:
  Router(std::unique_ptr<RoutingPolicy> policy, RouterOptions options)
      : policy_(std::move(policy)), options_(options) {}

  // Assigns the request in the fleet when that is the outcome.
  RoutingDecision Route(const RouteRequest& request, Fleet& fleet, SteadyTime now) const;
  // Whether any worker could be assigned a small request now.
  bool HasRoom(const Fleet& fleet, SteadyTime now) const;
  std::string_view policy() const { return policy_->name(); }

 private:
  std::vector<WorkerScore> Score(const RouteRequest& request, const Fleet& fleet,
                                 SteadyTime now) const;
  bool IsNew(const FleetWorker& worker, SteadyTime now) const;

  std::unique_ptr<RoutingPolicy> policy_;
  RouterOptions options_;
};

}  // namespace promptcache
