#include "tests/chaos/sim_coordinator.h"

#include <algorithm>
#include <utility>

namespace promptcache::chaos {
namespace {

constexpr milliseconds kTick{40};

SessionLimits Limits() {
  return {.max_active_requests = 64,
          .worker_wait = milliseconds(1'000),
          .ask_wait = milliseconds(100),
          .settle = milliseconds(250),
          .history = {.last = 8, .slowest = 8}};
}

Router CostRouter() {
  auto policy = ParsePolicy("cost");
  return {std::move(policy).value(), {}};
}

PlannedPrompt PlanOf(uint32_t prompt) {
  PlannedPrompt planned{.schema = "s", .version = "v"};
  Position next = 0;
  for (const uint32_t unit : UnitsOf(prompt)) {
    const auto index = static_cast<uint32_t>(planned.plan.units.size());
    planned.plan.units.push_back({.digest = DigestOf(unit), .tokens = kUnitTokens});
    planned.plan.segments.push_back({.unit = index, .rows = kUnitTokens, .first_position = next});
    next += static_cast<Position>(kUnitTokens);
  }
  planned.plan.new_tokens.Append(static_cast<TokenId>(prompt), next);
  planned.plan.next_position = next + 1;
  return planned;
}

}  // namespace

SimCoordinator::SimCoordinator(NodeId id, NodeId first_worker, EventQueue& events, Dice& dice,
                               SimNetwork& network)
    : id_(id),
      first_worker_(first_worker),
      events_(events),
      dice_(dice),
      network_(network),
      sessions_(CostRouter(), Limits(), events.now()) {
  network_.Add(id_, this);
  Tick();
}

void SimCoordinator::After(milliseconds delay, std::function<void()> event) {
  events_.After(delay, [alive = alive_, event = std::move(event)] {
    if (*alive) event();
  });
}

void SimCoordinator::Tick() {
  Do(sessions_.Tick(events_.now()));
  After(kTick, [this] { Tick(); });
}

void SimCoordinator::LinkLost(LinkNumber link) {
  const auto peer = peers_.extract(link);
  if (peer.empty()) return;
  Do(IsWorker(peer.mapped()) ? sessions_.WorkerGone(link, events_.now())
                             : sessions_.ClientGone(link, events_.now()));
}

void SimCoordinator::Receive(LinkNumber link, Envelope envelope) {
  const auto peer = peers_.find(link);
  if (peer == peers_.end()) return;
  const SteadyTime now = events_.now();
  if (IsWorker(peer->second)) return FromWorker(link, peer->second, envelope);
  if (std::holds_alternative<Submit>(envelope.body)) {
    Do(sessions_.SubmitReceived({.peer = link, .name = std::to_string(peer->second)}, envelope,
                                now));
  } else if (std::holds_alternative<Cancel>(envelope.body)) {
    Do(sessions_.CancelReceived({.peer = link}, envelope.request_id, now));
  }
}

void SimCoordinator::FromWorker(LinkNumber link, NodeId worker, const Envelope& envelope) {
  const SteadyTime now = events_.now();
  if (const auto* ready = std::get_if<WorkerReady>(&envelope.body)) {
    Do(sessions_.WorkerIsReady(link, "worker-" + std::to_string(worker), *ready, {}, now));
  } else if (!sessions_.workers().contains(link)) {
    // A link that loses the first message never comes up.
    network_.Close(link, id_);
    peers_.erase(link);
  } else if (const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body)) {
    Do(sessions_.HeartbeatReceived(link, *heartbeat, now));
  } else if (const auto* residency = std::get_if<Residency>(&envelope.body)) {
    Do(sessions_.ResidencyReceived(link, *residency, now));
  } else if (std::holds_alternative<Partial>(envelope.body)) {
    Do(sessions_.PartialReceived(link, envelope, now));
  } else if (std::holds_alternative<Final>(envelope.body)) {
    Do(sessions_.FinalReceived(link, envelope, now));
  } else if (std::holds_alternative<RequestState>(envelope.body)) {
    Do(sessions_.RequestStateReceived(link, envelope, now));
  } else if (std::holds_alternative<RecipeQuery>(envelope.body)) {
    AnswerRecipes(link, envelope);
  }
}

void SimCoordinator::AnswerRecipes(LinkNumber link, const Envelope& envelope) {
  const auto& query = std::get<RecipeQuery>(envelope.body);
  RecipeReply reply;
  for (uint32_t unit = 0; unit < kUnits; ++unit) {
    const bool is_asked = std::find(query.digests.begin(), query.digests.end(), DigestOf(unit)) !=
                          query.digests.end();
    if (is_asked) reply.recipes.push_back(RecipeOf(unit));
  }
  network_.Send(
      link, id_,
      {.request_id = envelope.request_id, .trace = envelope.trace, .body = std::move(reply)});
}

void SimCoordinator::Do(const Actions& actions) {
  for (const Action& action : actions) {
    if (const auto* plan = std::get_if<PlanAction>(&action)) {
      const auto prompt = static_cast<uint32_t>(std::stoul(plan->submit.prompt));
      After(dice_.Within(milliseconds(0), milliseconds(5)), [this, ticket = plan->ticket, prompt] {
        Do(sessions_.Planned(ticket, PlanOf(prompt), events_.now()));
      });
      continue;
    }
    const auto& send = std::get<SendAction>(action);
    if (!network_.Send(send.peer, id_, send.envelope)) LinkLost(send.peer);
  }
}

void SimCoordinator::Drain(NodeId worker, DrainChange change) {
  for (const auto& [link, peer] : peers_) {
    if (peer == worker) network_.Send(link, id_, {.body = DrainWorker{.change = change}});
  }
}

}  // namespace promptcache::chaos
