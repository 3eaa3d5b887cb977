// The coordinator's side of a simulation: the fleet as it knows it, what waits, how long it
// decides.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "coordinator/routing/router.h"
#include "coordinator/routing/waiting_queue.h"
#include "tools/bench/series.h"
#include "tools/simulate/workload.h"

namespace promptcache {

SteadyTime AtSeconds(double seconds);

class CoordinatorView {
 public:
  // The workload outlives it.
  CoordinatorView(const Workload& workload, std::unique_ptr<RoutingPolicy> policy,
                  const RouterOptions& rails);

  struct Answer {
    Outcome outcome = Outcome::kNoWorker;
    WorkerId worker = 0;
    double predicted_s = 0;
  };
  // `deadline_s`: when its first token must be there.
  Answer Route(uint32_t request, double deadline_s, double now_s);
  // Waits until TryWaiting finds a worker.
  void Hold(uint32_t request, const Answer& answer, double deadline_s);
  struct Found {
    uint32_t request = 0;
    Answer answer;
  };
  std::optional<Found> TryWaiting(double now_s);
  // Those that waited beyond their deadline; gives how many.
  size_t DropExpired(double now_s) { return waiting_.TakeExpired(AtSeconds(now_s)).size(); }

  const UnitKey& KeyOf(uint32_t unit) const { return keys_[unit]; }
  RequestId IdOf(uint32_t request) const;
  static uint32_t IndexOf(const RequestId& id);
  Fleet& fleet() { return fleet_; }
  const Series& decision_us() const { return decision_us_; }

 private:
  struct Urgency {
    double time_left_s = std::numeric_limits<double>::infinity();
    double ahead_s = 0;
  };

  Answer Decide(uint32_t request, const Urgency& urgency, double now_s);
  RouteRequest Describe(uint32_t request) const;

  const Workload* workload_;
  Router router_;
  Fleet fleet_;
  WaitingQueue waiting_;
  std::vector<UnitKey> keys_;
  Series decision_us_;
};

}  // namespace promptcache
