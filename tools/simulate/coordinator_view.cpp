#include "tools/simulate/coordinator_view.h"

#include <cmath>
#include <cstring>

#include "common/clock.h"

namespace promptcache {
namespace {

constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;  // spreads keys over hash tables

}  // namespace

SteadyTime AtSeconds(double seconds) {
  if (std::isinf(seconds)) return SteadyTime::max();
  return SteadyTime(
      std::chrono::duration_cast<SteadyTime::duration>(std::chrono::duration<double>(seconds)));
}

CoordinatorView::CoordinatorView(const Workload& workload, std::unique_ptr<RoutingPolicy> policy,
                                 const RouterOptions& rails)
    : workload_(&workload),
      router_(std::move(policy), rails),
      waiting_(workload.requests.size()),
      keys_(workload.unit_tokens.size()) {
  for (size_t i = 0; i < keys_.size(); ++i) {
    const uint64_t spread = (i + 1) * kOdd;
    std::memcpy(keys_[i].bytes.data(), &spread, sizeof(spread));
  }
}

RequestId CoordinatorView::IdOf(uint32_t request) const {
  RequestId id;
  std::memcpy(id.bytes.data(), &request, sizeof(request));
  return id;
}

uint32_t CoordinatorView::IndexOf(const RequestId& id) {
  uint32_t request = 0;
  std::memcpy(&request, id.bytes.data(), sizeof(request));
  return request;
}

RouteRequest CoordinatorView::Describe(uint32_t index) const {
  const SimRequest& request = workload_->requests[index];
  RouteRequest route{.id = IdOf(index),
                     .affinity = std::to_string(request.schema),
                     .new_tokens = request.new_tokens};
  std::vector<UnitKey>& keys = route.keys.emplace_back();
  for (const uint32_t unit : request.units) {
    route.unit_tokens.push_back(workload_->unit_tokens[unit]);
    keys.push_back(keys_[unit]);
  }
  return route;
}

CoordinatorView::Answer CoordinatorView::Route(uint32_t request, double deadline_s, double now_s) {
  const double ahead_s = waiting_.AheadOf({}, 0);
  return Decide(request, {.time_left_s = deadline_s - now_s, .ahead_s = ahead_s}, now_s);
}

CoordinatorView::Answer CoordinatorView::Decide(uint32_t request, const Urgency& urgency,
                                                double now_s) {
  RouteRequest route = Describe(request);
  route.time_left_s = urgency.time_left_s;
  route.ahead_s = urgency.ahead_s;
  const RoutingDecision decision = Timed<std::micro>(
      decision_us_, [&] { return router_.Route(route, fleet_, AtSeconds(now_s)); });
  if (decision.scores.empty()) return {};
  const WorkerScore& chosen = decision.scores[decision.chosen];
  return {.outcome = decision.outcome, .worker = chosen.worker, .predicted_s = chosen.work_s};
}

void CoordinatorView::Hold(uint32_t request, const Answer& answer, double deadline_s) {
  // Room for all requests of the workload: it cannot be full.
  const Status added = waiting_.Add(
      {.id = IdOf(request), .deadline = AtSeconds(deadline_s), .work_s = answer.predicted_s});
  if (!added.ok()) DieBecauseResultHasNoValue(added);
}

std::optional<CoordinatorView::Found> CoordinatorView::TryWaiting(double now_s) {
  Found found;
  double ahead_s = 0;
  const auto taken = waiting_.Take([&](const WaitingRequest& waiting) {
    found.request = IndexOf(waiting.id);
    // Admitted before: its deadline is not held against it again.
    found.answer = Decide(found.request, {.ahead_s = ahead_s}, now_s);
    ahead_s += waiting.work_s;
    return found.answer.outcome == Outcome::kAssign;
  });
  return taken ? std::optional(found) : std::nullopt;
}

}  // namespace promptcache
