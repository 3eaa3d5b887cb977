#include "coordinator/routing/policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>

namespace promptcache {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// What the work costs those that come after it, in seconds of waiting. A second of the device: in
// the long run 1 / (1 - busy share) - 1, and now at least one for each request that is waiting. A
// second of loading: one for each request whose loads are waiting.
double CongestionSeconds(const FleetWorker& worker, const WorkerScore& score) {
  constexpr double kMaxAverage = 16;
  const double average = 1 / std::max(1 - worker.busy_share(), 1 / kMaxAverage) - 1;
  const auto waiting = [](double wait_s, double mean_s) {
    return mean_s > 0 ? wait_s / mean_s : 0;
  };
  const RequestWork& mean = worker.mean_work();
  const double device = waiting(score.wait_s - score.load_wait_s, mean.compute_s);
  return std::max(average, device) * (score.work_s - score.load_s) +
         waiting(score.load_wait_s, mean.load_s) * score.load_s;
}

class CostPolicy : public RoutingPolicy {
 public:
  std::string_view name() const override { return "cost"; }
  void Rank(const Fleet& fleet, std::vector<WorkerScore>& scores) const override {
    for (WorkerScore& score : scores) {
      const FleetWorker& worker = fleet.workers().at(score.worker);
      const double kv_use = std::clamp(worker.report().kv_use, 0.0, kMaxKvUse);
      score.congestion_s = CongestionSeconds(worker, score);
      score.displacement_s = worker.report().device_fill > kFullDevice ? score.displaced_s : 0;
      score.kv_s = kKvSeconds * kv_use / (1 - kv_use);
      score.tie_s = kTieSeconds * (1 - score.hash);
      score.total = score.room ? score.wait_s + score.work_s + score.congestion_s +
                                     score.displacement_s + score.kv_s + score.tie_s
                               : kNever;
    }
  }

 private:
  static constexpr double kFullDevice = 0.9;
  static constexpr double kKvSeconds = 0.15;
  static constexpr double kMaxKvUse = 0.98;
  static constexpr double kTieSeconds = 0.001;
};

class RendezvousPolicy : public RoutingPolicy {
 public:
  std::string_view name() const override { return "rendezvous"; }
  void Rank(const Fleet&, std::vector<WorkerScore>& scores) const override {
    for (WorkerScore& score : scores) score.total = -HomeRank(score);
  }
};

class BoundedLoadPolicy : public RoutingPolicy {
 public:
  std::string_view name() const override { return "bounded_load"; }
  void Rank(const Fleet&, std::vector<WorkerScore>& scores) const override {
    double requests = 1;
    double weight = 0;
    for (const WorkerScore& score : scores) {
      requests += score.requests;
      weight += score.weight;
    }
    for (WorkerScore& score : scores) {
      const double bound = std::ceil(kBound * requests * score.weight / weight);
      const bool fits = score.room && score.requests + 1 <= bound;
      score.total = fits ? -HomeRank(score) : kNever;
    }
  }

 private:
  static constexpr double kBound = 1.25;
};

class ShortestQueuePolicy : public RoutingPolicy {
 public:
  std::string_view name() const override { return "shortest_queue"; }
  void Rank(const Fleet&, std::vector<WorkerScore>& scores) const override {
    for (WorkerScore& score : scores) {
      score.total = score.room ? score.requests + (1 - score.hash) : kNever;
    }
  }
};

template <typename Policy>
std::unique_ptr<RoutingPolicy> Make() {
  return std::make_unique<Policy>();
}

}  // namespace

double HomeRank(const WorkerScore& score) { return -score.weight / std::log(score.hash); }

Result<std::unique_ptr<RoutingPolicy>> ParsePolicy(std::string_view name) {
  constexpr std::array kMakers = {Make<CostPolicy>, Make<RendezvousPolicy>, Make<BoundedLoadPolicy>,
                                  Make<ShortestQueuePolicy>};
  std::string names;
  for (const auto& make : kMakers) {
    std::unique_ptr<RoutingPolicy> policy = make();
    if (policy->name() == name) return policy;
    names += (names.empty() ? "" : ", ") + std::string(policy->name());
  }
  return InvalidArgument("unknown routing policy '" + std::string(name) + "'; there are " + names);
}

}  // namespace promptcache
