// Which of several workers gets a request: policies over the same scores.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "coordinator/routing/fleet.h"

namespace promptcache {

// One worker as a request sees it, and what the policy makes of that. Times in seconds.
struct WorkerScore {
  WorkerId worker = 0;
  std::string name;
  bool room = false;           // free slots, and no slow start
  bool full = false;           // its queue is as long as it may be: a request for it waits here
  uint32_t requests = 0;       // that it has
  double weight = 0;           // prefill tokens a second that it promised when it joined
  double hash = 0;             // rendezvous hash of the request's affinity and its name, in (0, 1)
  uint64_t device_tokens = 0;  // of the units, on the device or on their way there
  double wait_s = 0;           // for the work before it, there and here
  double work_s = 0;           // to load, encode and compute
  double load_wait_s = 0;      // of wait_s: for loads before its own
  double load_s = 0;           // of work_s: loading units
  double displaced_s = 0;      // to load again what its units would throw out of a full device
  // Terms of the policy `cost`; 0 for the others.
  double congestion_s = 0;    // what the work costs those that come after it
  double displacement_s = 0;  // displaced_s where the device is full
  double kv_s = 0;            // memory for running requests becomes scarce
  double tie_s = 0;           // not the home
  double total = 0;           // the least is chosen, by whatever measure the policy has
};

// The highest of a request's scores is its home, the next one would be it without that: weighted
// rendezvous hashing.
double HomeRank(const WorkerScore& score);

// Policies hold no state: all of it is in the fleet.
class RoutingPolicy {
 public:
  virtual ~RoutingPolicy() = default;
  virtual std::string_view name() const = 0;
  // Sets the totals; infinite: not this one. When the chosen one is full or has no room the request
  // waits, and is ranked again.
  virtual void Rank(const Fleet& fleet, std::vector<WorkerScore>& scores) const = 0;
};

// "cost": the least seconds, for this request and those after it. "rendezvous": always the home.
// "bounded_load": the nearest home with less than 1.25 times its share of requests.
// "shortest_queue": the fewest requests. kInvalidArgument, with these names, for any other.
Result<std::unique_ptr<RoutingPolicy>> ParsePolicy(std::string_view name);

}  // namespace promptcache
