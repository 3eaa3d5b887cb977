#include "tests/chaos/sim_worker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tests/chaos/sim_identity.h"
#include "worker/service/reports.h"

namespace promptcache::chaos {
namespace {

constexpr milliseconds kTick{100};
constexpr size_t kWaitingLimit = 32;

}  // namespace

SimWorker::SimWorker(NodeId id, NodeId coordinators, EventQueue& events, Dice& dice,
                     SimNetwork& network, SimStore& store)
    : id_(id),
      events_(events),
      dice_(dice),
      network_(network),
      coordinators_(coordinators),
      engine_(events, dice, store,
              {.one_in = &network.faults().torn_write, .count = &network.counts().torn_writes},
              [this](const UnitChanges& changes) { UnitsChanged(changes); }),
      requests_(RequestsDepsHere()) {
  network_.Add(id_, this);
  for (NodeId coordinator = 0; coordinator < coordinators; ++coordinator) Connect(coordinator);
  Tick();
}

RequestsDeps SimWorker::RequestsDepsHere() {
  return {.engine = &engine_,
          .clock = &events_,
          .engine_clock = &events_,
          .log = {.keep = std::chrono::seconds(60), .orphan = std::chrono::seconds(2)},
          .worker = "worker-" + std::to_string(id_),
          .waiting_limit = kWaitingLimit,
          .post = [this](std::function<void()> event) { After({}, std::move(event)); },
          .send = [this](uint32_t coordinator,
                         const Envelope& envelope) { return Send(coordinator, envelope); }};
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
        network_.Send(*link, id_,
                      {.body = WorkerReady{
                           .identity = SimIdentity(), .slots = kSlots, .kv_bytes_per_token = 1}});
        SendSnapshot(coordinator);
      });
}

void SimWorker::LinkLost(LinkNumber link) {
  for (NodeId number = 0; number < coordinators_.size(); ++number) {
    if (coordinators_[number].link != link) continue;
    coordinators_[number].link = 0;
    requests_.CoordinatorLost(number);
    Connect(number);
  }
}

Status SimWorker::Send(NodeId coordinator, const Envelope& envelope) {
  const LinkNumber link = coordinators_[coordinator].link;
  if (link == 0) return Unavailable("there is no link");
  if (dice_.OneIn(network_.faults().full)) {
    ++network_.counts().full;
    return Busy("the link is full");
  }
  return network_.Send(link, id_, envelope) ? Status() : Unavailable("the link is down");
}

void SimWorker::Receive(LinkNumber link, Envelope envelope) {
  const auto from = std::find_if(coordinators_.begin(), coordinators_.end(),
                                 [&](const Coordinator& one) { return one.link == link; });
  if (from == coordinators_.end()) return;
  const auto number = static_cast<NodeId>(from - coordinators_.begin());
  if (std::holds_alternative<ResidencyResync>(envelope.body)) return SendSnapshot(number);
  if (const auto* drain = std::get_if<DrainWorker>(&envelope.body)) {
    return requests_.SetDrain(drain->change);
  }
  requests_.Receive(number, std::move(envelope));
}

// ---- reports ----

void SimWorker::SendSnapshot(NodeId number) {
  Coordinator& coordinator = coordinators_[number];
  network_.Send(
      coordinator.link, id_,
      {.body = Residency{
           .seq = ++coordinator.residency_seq, .snapshot = true, .added = units_.keys()}});
}

void SimWorker::UnitsChanged(const UnitChanges& changes) {
  units_.Apply(changes);
  for (Coordinator& coordinator : coordinators_) {
    if (coordinator.link == 0) continue;
    network_.Send(coordinator.link, id_,
                  {.body = Residency{.seq = ++coordinator.residency_seq,
                                     .added = changes.added,
                                     .removed = changes.removed}});
  }
}

void SimWorker::Tick() {
  Heartbeat heartbeat = HeartbeatOf(engine_.stats(), Source::kDisk, requests_.drain());
  heartbeat.residency_digest = units_.digest();
  for (const Coordinator& coordinator : coordinators_) {
    if (coordinator.link == 0) continue;
    heartbeat.residency_seq = coordinator.residency_seq;
    network_.Send(coordinator.link, id_, {.body = heartbeat});
  }
  requests_.Tick();
  After(kTick, [this] { Tick(); });
}

}  // namespace promptcache::chaos
