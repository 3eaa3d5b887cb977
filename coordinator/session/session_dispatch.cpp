// Giving requests to workers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "coordinator/routing/policy.h"
#include "coordinator/session/send.h"
#include "coordinator/session/session.h"

namespace promptcache {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxRoutesReported = 8;

std::string InSeconds(double seconds) {
  return std::to_string(static_cast<int64_t>(std::ceil(std::max(0.0, seconds)))) + " s";
}

RouteReport ReportOf(const WorkerScore& score) {
  // Infinite: the policy does not want it.
  const double total = std::isfinite(score.total) ? score.total : -1;
  return {.worker = score.name,
          .room = score.room,
          .full = score.full,
          .device_tokens = score.device_tokens,
          .wait_s = score.wait_s,
          .work_s = score.work_s,
          .congestion_s = score.congestion_s,
          .displacement_s = score.displacement_s,
          .kv_s = score.kv_s,
          .tie_s = score.tie_s,
          .total = total};
}

// The chosen one, then the best of the others.
std::vector<RouteReport> ReportOf(const RoutingDecision& decision) {
  std::vector<const WorkerScore*> order;
  for (const WorkerScore& score : decision.scores) order.push_back(&score);
  std::swap(order.front(), order[decision.chosen]);
  std::sort(order.begin() + 1, order.end(), [](const WorkerScore* a, const WorkerScore* b) {
    return std::pair(a->total, a->worker) < std::pair(b->total, b->worker);
  });
  std::vector<RouteReport> routes;
  for (size_t i = 0; i < std::min(order.size(), kMaxRoutesReported); ++i) {
    routes.push_back(ReportOf(*order[i]));
  }
  return routes;
}

}  // namespace

bool SessionTable::MustWait(const SessionRequest& request, SteadyTime now) const {
  if (now < request.not_before) return true;
  // A coordinator that was there before has workers that come back with what they had.
  if (now - started_ >= limits_.settle) return false;
  return request.sent_again || (was_here_before_ && !workers_.IsOnSomeDevice(request.route));
}

RoutingDecision SessionTable::Route(SessionRequest& request, double time_left_s, double ahead_s,
                                    SteadyTime now) {
  request.route.time_left_s = time_left_s;
  request.route.ahead_s = ahead_s;
  return workers_.Route(request.route, now);
}

void SessionTable::Dispatch(Requests::iterator request, SteadyTime now, Actions& actions) {
  SessionRequest& entry = request->second;
  entry.stage = RequestStage::kWaiting;
  // A worker may have come since it was admitted.
  if (const Status fits = workers_.CheckSlots(entry.options); !fits.ok() && entry.is_new()) {
    return Finish(request, FinalOf(fits), now, actions);
  }
  entry.route = Describe(entry.prompt);
  entry.route.id = request->first;
  entry.route.affinity = entry.prompt.schema + "@" + entry.prompt.version;
  entry.route.slots = entry.options.samples;
  for (const auto& sample : entry.delivered.samples) {
    entry.route.new_tokens += static_cast<uint32_t>(sample.size());
  }
  if (MustWait(entry, now)) return Hold(request, 0);
  GiveWaiting(now, actions);  // what came before it goes first
  // What no worker has measured is no reason to refuse anybody, and what was accepted is kept.
  const double left_s = entry.is_new() && workers_.AllMeasured()
                            ? MillisecondsBetween(now, entry.deadline) / 1000
                            : std::numeric_limits<double>::infinity();
  const double ahead_s = waiting_.AheadOf(entry.report.tenant, entry.priority);
  const RoutingDecision decision = Route(entry, left_s, ahead_s, now);
  switch (decision.outcome) {
    case Outcome::kAssign:
      return Give(request, decision, now, actions);
    case Outcome::kReject: {
      ++counters_.rejected;
      Final busy = FinalOf(Busy("no worker could begin the answer before the deadline; with " +
                                InSeconds(decision.retry_after_s) + " more, or later, one can"));
      busy.retry_after_ms = static_cast<uint64_t>(std::ceil(decision.retry_after_s * 1000));
      return Finish(request, std::move(busy), now, actions);
    }
    case Outcome::kHold:
      return Hold(request, decision.scores[decision.chosen].work_s);
    case Outcome::kNoWorker:
      return Hold(request, 0);
  }
}

void SessionTable::Hold(Requests::iterator request, double work_s) {
  const SessionRequest& entry = request->second;
  // There is room for as many as are admitted, and each waits once.
  const Status added = waiting_.Add({.id = request->first,
                                     .tenant = entry.report.tenant,
                                     .priority = entry.priority,
                                     .deadline = entry.deadline,
                                     .work_s = work_s});
  if (!added.ok()) DieBecauseResultHasNoValue(added);
}

void SessionTable::Give(Requests::iterator request, const RoutingDecision& decision, SteadyTime now,
                        Actions& actions) {
  SessionRequest& entry = request->second;
  const WorkerScore& chosen = decision.scores[decision.chosen];
  entry.sent_again = false;
  entry.stage = RequestStage::kRunning;
  entry.worker = chosen.worker;
  entry.started = false;
  entry.report.attempts.push_back({.attempt = entry.attempt,
                                   .worker = chosen.name,
                                   .given_ms = MillisecondsBetween(entry.received, now),
                                   .routes = ReportOf(decision)});
  SendAction send = ToWorker(chosen.worker, request->first, entry,
                             Run{.plan = entry.prompt.plan,
                                 .options = entry.options,
                                 .schema = entry.prompt.schema,
                                 .version = entry.prompt.version,
                                 .delivered = entry.delivered,
                                 .tenant = entry.prompt.tenant,
                                 .domain = entry.prompt.domain});
  send.envelope.timeout_ms = static_cast<uint64_t>(
      std::max<int64_t>(1, std::chrono::duration_cast<milliseconds>(entry.deadline - now).count()));
  actions.emplace_back(std::move(send));
  Prefetch(entry, decision, now, actions);
}

void SessionTable::Prefetch(const SessionRequest& request, const RoutingDecision& decision,
                            SteadyTime now, Actions& actions) {
  const auto& fleet = workers_.fleet().workers();
  const WorkerScore& chosen = decision.scores[decision.chosen];
  const std::vector<UnitKey>& asked = fleet.at(chosen.worker).KeysOf(request.route);
  const std::vector<uint32_t> wanted = demand_.Count(chosen.worker, asked, now);
  if (wanted.empty()) return;
  const WorkerScore* next = nullptr;
  for (const WorkerScore& score : decision.scores) {
    const bool higher = next == nullptr || HomeRank(score) > HomeRank(*next);
    if (score.worker != chosen.worker && higher) next = &score;
  }
  // One run at a time: what it still lacks is counted again.
  if (next == nullptr || warmups_.IsWarming(next->worker)) return;
  PlannedPrompt prompt = request.prompt;
  prompt.plan = {};
  const FleetWorker& home = fleet.at(next->worker);
  for (const uint32_t unit : wanted) {
    if (home.TierOf(home.KeysOf(request.route)[unit]) == Source::kDevice) continue;
    prompt.plan.units.push_back(request.prompt.plan.units[unit]);
  }
  if (prompt.plan.units.empty()) return;
  counters_.prefetched += prompt.plan.units.size();
  StartWarmup(next->worker, std::move(prompt), actions);
}

void SessionTable::GiveWaiting(SteadyTime now, Actions& actions) {
  while (waiting_.size() > 0 && workers_.HasRoom(now)) {
    RoutingDecision decision;
    double ahead_s = 0;
    const auto taken = waiting_.Take([&](const WaitingRequest& waiting) {
      SessionRequest& request = requests_.at(waiting.id);
      if (MustWait(request, now)) return false;
      if (workers_.IsOutdated(request.route)) {
        RouteRequest described = Describe(request.prompt);
        request.route.keys = std::move(described.keys);
        request.route.identities_version = described.identities_version;
      }
      // Admitted before: its deadline is not held against it again.
      decision = Route(request, std::numeric_limits<double>::infinity(), ahead_s, now);
      ahead_s += waiting.work_s;
      return decision.outcome == Outcome::kAssign;
    });
    if (!taken) return;
    Give(requests_.find(taken->id), decision, now, actions);
  }
}

void SessionTable::Redispatch(Requests::iterator request, const Status& why, SteadyTime now,
                              Actions& actions) {
  SessionRequest& entry = request->second;
  workers_.Ended(request->first, now);
  entry.worker = 0;
  if (!entry.report.attempts.empty()) entry.report.attempts.back().end = why.message();
  if (++entry.losses >= limits_.max_losses) {
    const std::string times = std::to_string(entry.losses);
    return Finish(request, FinalOf(why.WithContext("given to a worker " + times + " times")), now,
                  actions);
  }
  ++counters_.retries;
  if (entry.delivered.parts > 0) ++counters_.resumed;
  ++entry.attempt;
  entry.waiting_since = now;
  Dispatch(request, now, actions);
}

}  // namespace promptcache
