#include "tests/chaos/sim_worker.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace promptcache::chaos {
namespace {

constexpr uint32_t kSlots = 4;
constexpr milliseconds kStep{10};
constexpr milliseconds kHeartbeat{100};
constexpr size_t kMemoryUnits = 6;

UnitKey KeyOf(const Identity& identity, const RecipeDigest& unit) {
  return MakeUnitKey(identity.Digest(), 0, unit);
}

}  // namespace

SimWorker::SimWorker(NodeId id, NodeId coordinators, EventQueue& events, Dice& dice,
                     SimNetwork& network, SimStore& store)
    : id_(id),
      events_(events),
      dice_(dice),
      network_(network),
      store_(store),
      log_({.keep = std::chrono::seconds(60), .orphan = std::chrono::seconds(2)}),
      coordinators_(coordinators) {
  network_.Add(id_, this);
  for (NodeId coordinator = 0; coordinator < coordinators; ++coordinator) Connect(coordinator);
  Heartbeats();
  Step();
}

void SimWorker::After(milliseconds delay, std::function<void()> event) {
  events_.After(delay, [alive = alive_, event = std::move(event)] {
    if (*alive) event();
  });
}

// ---- links ----

void SimWorker::Connect(NodeId coordinator) {
  network_.Connect(
      id_, coordinator, [this, alive = alive_, coordinator](std::optional<LinkNumber> link) {
        if (!*alive) return;
        if (!link) {
          return After(dice_.Within(milliseconds(10), milliseconds(200)),
                       [this, coordinator] { Connect(coordinator); });
        }
        coordinators_[coordinator] = {.link = *link};
        network_.Send(
            *link, id_,
            {.body = WorkerReady{.identity = identity_, .slots = kSlots, .kv_bytes_per_token = 1}});
        SendSnapshot(coordinator);
      });
}

void SimWorker::LinkLost(LinkNumber link) {
  for (NodeId number = 0; number < coordinators_.size(); ++number) {
    if (coordinators_[number].link != link) continue;
    coordinators_[number].link = 0;
    log_.CoordinatorLost(number, events_.now());
    Connect(number);
  }
}

uint64_t SimWorker::Digest() const {
  uint64_t digest = 0;
  for (const auto& [unit, states] : memory_) {
    digest ^= KeyOf(identity_, unit).Head();
  }
  return digest;
}

void SimWorker::SendSnapshot(NodeId number) {
  Coordinator& coordinator = coordinators_[number];
  Residency residency{.seq = ++coordinator.residency_seq, .snapshot = true};
  for (const auto& [unit, states] : memory_) residency.added.push_back(KeyOf(identity_, unit));
  network_.Send(coordinator.link, id_, {.body = residency});
}

void SimWorker::Heartbeats() {
  for (const Coordinator& coordinator : coordinators_) {
    if (coordinator.link == 0) continue;
    network_.Send(coordinator.link, id_,
                  {.body = Heartbeat{.active = static_cast<uint32_t>(jobs_.size()),
                                     .prefill_tokens_per_s = 2'000,
                                     .draining = draining_,
                                     .disk = {.fixed_s = 0.001, .bytes_per_s = 100'000},
                                     .residency_seq = coordinator.residency_seq,
                                     .residency_digest = Digest()}});
  }
  for (const RequestId& id : log_.Expire(events_.now())) jobs_.erase(id);
  After(kHeartbeat, [this] { Heartbeats(); });
}

// ---- messages ----

void SimWorker::Receive(LinkNumber link, Envelope envelope) {
  const auto from = std::find_if(coordinators_.begin(), coordinators_.end(),
                                 [&](const Coordinator& one) { return one.link == link; });
  if (from == coordinators_.end()) return;
  const auto number = static_cast<NodeId>(from - coordinators_.begin());
  const RequestOwner asks{number, envelope.attempt};
  const RequestId& id = envelope.request_id;
  if (std::holds_alternative<Run>(envelope.body)) return RunReceived(number, envelope);
  if (std::holds_alternative<Cancel>(envelope.body)) return CancelReceived(envelope);
  if (std::holds_alternative<ResidencyResync>(envelope.body)) return SendSnapshot(number);
  if (const auto* drain = std::get_if<DrainWorker>(&envelope.body)) {
    draining_ = drain->change == DrainChange::kDrain;
  } else if (std::holds_alternative<RequestQuery>(envelope.body)) {
    Send(MessageTo(asks, id, log_.Query(id)));
  } else if (const auto* adopt = std::get_if<Adopt>(&envelope.body)) {
    const auto farewell = log_.Adopt(id, asks, adopt->delivered);
    if (!farewell.ok()) {
      return Send(MessageTo(asks, id, Final{.code = farewell.status().code()}));
    }
    if (*farewell) Send(**farewell);
    Deliver(id);
  }
}

void SimWorker::RunReceived(NodeId coordinator, const Envelope& envelope) {
  const RequestOwner owner{coordinator, envelope.attempt};
  const RequestId& id = envelope.request_id;
  const auto& run = std::get<Run>(envelope.body);
  if (draining_ && log_.Query(id).phase == RequestPhase::kUnknown) {
    return Send(MessageTo(owner, id, Final{.code = Code::kUnavailable}));
  }
  const auto begun = log_.Begin(id, owner, run.delivered);
  if (begun.status().code() == Code::kAlreadyExists) return;
  if (!begun.ok()) return Send(MessageTo(owner, id, Final{.code = begun.status().code()}));
  if (begun->farewell) Send(*begun->farewell);
  Job job{.run = begun->run,
          .prompt = static_cast<uint32_t>(run.plan.new_tokens.ids.at(0)),
          .length = run.options.max_new_tokens};
  for (const PlanUnit& unit : run.plan.units) job.units.push_back(unit.digest);
  if (!run.delivered.samples.empty()) {
    job.next = static_cast<uint32_t>(run.delivered.samples[0].size());
  }
  jobs_[id] = std::move(job);
}

void SimWorker::CancelReceived(const Envelope& envelope) {
  if (!log_.Cancel(envelope.request_id, envelope.attempt)) return;
  const auto job = jobs_.find(envelope.request_id);
  if (job != jobs_.end()) job->second.cancelled = true;
}

// ---- the engine ----

void SimWorker::Step() {
  std::vector<std::pair<uint64_t, RequestId>> order;
  for (const auto& [id, job] : jobs_) order.emplace_back(job.run.number, id);
  std::sort(order.begin(), order.end());
  if (order.size() > kSlots) order.resize(kSlots);
  for (const auto& [number, id] : order) {
    if (!StepOne(jobs_.at(id))) jobs_.erase(id);
    Deliver(id);
  }
  After(kStep, [this] { Step(); });
}

bool SimWorker::StepOne(Job& job) {
  const auto end = [&](Code code) {
    Final final{.code = code};
    final.usage.generated_tokens = job.next;
    log_.End(job.run, std::move(final), events_.now());
    return false;
  };
  if (job.cancelled) return end(Code::kCancelled);
  if (!std::exchange(job.acquired, true)) {
    Acquire(job);
    return true;
  }
  if (job.next == job.length) return end(Code::kOk);
  Partial part;
  const uint64_t count = 1 + dice_.Below(3);
  for (uint64_t i = 0; i < count && job.next < job.length; ++i) {
    part.tokens.push_back(TokenAt(job.prompt, job.states, job.next++));
  }
  log_.Part(job.run, std::move(part));
  return true;
}

void SimWorker::Acquire(Job& job) {
  for (const RecipeDigest& unit : job.units) {
    const auto held = memory_.find(unit);
    if (held != memory_.end()) {
      job.states ^= held->second;
      continue;
    }
    std::optional<uint64_t> states = store_.Get(unit);
    if (!states) {
      states = StatesOf(unit);
      const bool torn = dice_.OneIn(network_.faults().torn_write);
      if (torn) ++network_.counts().torn_writes;
      store_.Put(unit, *states, torn);
    }
    job.states ^= *states;
    std::vector<UnitKey> removed;
    if (memory_.size() >= kMemoryUnits) {
      removed.push_back(KeyOf(identity_, memory_.begin()->first));
      memory_.erase(memory_.begin());
    }
    memory_[unit] = *states;
    for (Coordinator& coordinator : coordinators_) {
      if (coordinator.link == 0) continue;
      network_.Send(coordinator.link, id_,
                    {.body = Residency{.seq = ++coordinator.residency_seq,
                                       .added = {KeyOf(identity_, unit)},
                                       .removed = removed}});
    }
  }
}

// ---- answers ----

void SimWorker::Deliver(const RequestId& id) {
  while (const auto message = log_.Next(id)) {
    const Coordinator& to = coordinators_[message->coordinator];
    if (to.link == 0 || !network_.Send(to.link, id_, message->envelope)) {
      log_.CoordinatorLost(message->coordinator, events_.now());
      return;
    }
    log_.Sent(id, events_.now());
  }
}

void SimWorker::Send(const Outgoing& message) {
  const Coordinator& to = coordinators_[message.coordinator];
  if (to.link != 0) network_.Send(to.link, id_, message.envelope);
}

}  // namespace promptcache::chaos
