#include "coordinator/routing/router.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace promptcache {
namespace {

// In (0, 1), the same for the same two hashes.
double UnitHash(uint64_t key, uint64_t worker) {
  uint64_t mixed = key ^ (worker * 0x9E3779B97F4A7C15);
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  mixed ^= mixed >> 31;
  return (static_cast<double>(mixed >> 12) + 0.5) * 0x1.0p-52;
}

double SecondsSince(SteadyTime then, SteadyTime now) {
  return std::chrono::duration<double>(now - then).count();
}

}  // namespace

bool Router::IsNew(const FleetWorker& worker, SteadyTime now) const {
  return SecondsSince(worker.joined(), now) < options_.slow_start_s;
}

std::vector<WorkerScore> Router::Score(const RouteRequest& request, const Fleet& fleet,
                                       SteadyTime now) const {
  const uint64_t hash = NameHash(request.affinity);
  const auto& workers = fleet.workers();
  const bool all_new = std::all_of(workers.begin(), workers.end(), [&](const auto& entry) {
    return entry.second.draining() || IsNew(entry.second, now);
  });
  std::vector<WorkerScore> scores;
  scores.reserve(workers.size());
  for (const auto& [id, worker] : workers) {
    if (worker.draining() || !worker.Fits(request)) continue;
    const auto [work, displaced_s, device_tokens, cold] = fleet.Estimate(request, worker);
    // While it loads, requests that have their units go past it: it waits for both.
    const double load_wait_s = work.load_s > 0 ? worker.LoadBacklogSeconds(now) : 0;
    const double wait_s = load_wait_s + worker.BacklogSeconds(now);
    const bool slow =
        cold && !all_new && IsNew(worker, now) && worker.cold() >= options_.slow_start_requests;
    scores.push_back({.worker = id,
                      .name = worker.profile().name,
                      .room = worker.HasSlots(request.slots) && !slow,
                      .full = wait_s > options_.queue_bound_s,
                      .requests = worker.requests(),
                      .weight = 1 / worker.profile().rates.TokenSeconds(),
                      .hash = UnitHash(hash, worker.name_hash()),
                      .device_tokens = device_tokens,
                      .wait_s = wait_s,
                      .work_s = work.total_s(),
                      .load_wait_s = load_wait_s,
                      .load_s = work.load_s,
                      .displaced_s = displaced_s});
  }
  // What waits here waits for those that take nothing now.
  const auto closed = [](const WorkerScore& score) { return score.full || !score.room; };
  const auto count = static_cast<double>(std::count_if(scores.begin(), scores.end(), closed));
  for (WorkerScore& score : scores) {
    if (closed(score)) score.wait_s += request.ahead_s / count;
  }
  return scores;
}

bool Router::HasRoom(const Fleet& fleet, SteadyTime now) const {
  const auto& workers = fleet.workers();
  return std::any_of(workers.begin(), workers.end(), [&](const auto& entry) {
    const FleetWorker& worker = entry.second;
    return !worker.draining() && worker.HasSlots(1) &&
           worker.BacklogSeconds(now) <= options_.queue_bound_s;
  });
}

RoutingDecision Router::Route(const RouteRequest& request, Fleet& fleet, SteadyTime now) const {
  fleet.ObserveLoad(now);
  RoutingDecision decision{.scores = Score(request, fleet, now)};
  std::vector<WorkerScore>& scores = decision.scores;
  if (scores.empty()) return decision;
  const auto done = [](const WorkerScore& score) { return score.wait_s + score.work_s; };
  const auto first = std::min_element(
      scores.begin(), scores.end(),
      [&](const WorkerScore& a, const WorkerScore& b) { return done(a) < done(b); });
  const double soonest_s = done(*first);
  policy_->Rank(fleet, scores);
  const auto best = std::min_element(
      scores.begin(), scores.end(),
      [](const WorkerScore& a, const WorkerScore& b) { return a.total < b.total; });
  decision.chosen = static_cast<size_t>(best - scores.begin());
  if (soonest_s > request.time_left_s) {
    decision.outcome = Outcome::kReject;
    decision.retry_after_s = soonest_s - request.time_left_s;
  } else if (!best->room || best->full || std::isinf(best->total)) {
    decision.outcome = Outcome::kHold;
  } else {
    decision.outcome = Outcome::kAssign;
    const RequestWork work{.load_s = best->load_s, .compute_s = best->work_s - best->load_s};
    fleet.Assign(request, best->worker, work, now);
  }
  return decision;
}

}  // namespace promptcache
