#include "tests/chaos/world.h"

namespace promptcache::chaos {
namespace {

constexpr milliseconds kTrouble{4'000};
constexpr milliseconds kNemesisStep{100};
constexpr milliseconds kLongestDeadline{5'000};
// Deadlines, what follows them, and requests of lost coordinators, which workers give up.
constexpr milliseconds kQuiet{9'000};
constexpr milliseconds kHeard{500};  // what workers say of themselves
constexpr milliseconds kLook{20};    // for whether all has ended

}  // namespace

World::World(uint64_t seed, const Faults& faults) : dice_(seed), network_(events_, dice_, faults) {
  for (size_t i = 0; i < kCoordinators; ++i) StartCoordinator(i);
  for (size_t i = 0; i < kWorkers; ++i) StartWorker(i);
  const std::vector<NodeId> coordinators = {0, 1, 2};
  for (NodeId i = 0; i < kClients; ++i) {
    clients_.push_back(
        std::make_unique<SimClient>(kFirstClient + i, coordinators, events_, dice_, network_));
    Submit(i);
  }
  Nemesis();
}

void World::StartCoordinator(size_t index) {
  coordinators_[index] = std::make_unique<SimCoordinator>(static_cast<NodeId>(index), kFirstWorker,
                                                          events_, dice_, network_);
}

void World::StartWorker(size_t index) {
  workers_[index] = std::make_unique<SimWorker>(kFirstWorker + static_cast<NodeId>(index),
                                                kCoordinators, events_, dice_, network_, store_);
}

void World::Submit(size_t client) {
  if (healed_) return;
  clients_[client]->Submit(static_cast<uint32_t>(dice_.Below(40)),
                           dice_.Within(milliseconds(200), kLongestDeadline));
  events_.After(dice_.Within(milliseconds(20), milliseconds(400)),
                [this, client] { Submit(client); });
}

// ---- trouble ----

void World::Nemesis() {
  if (healed_) return;
  const Faults& faults = network_.faults();
  for (size_t i = 0; i < kCoordinators; ++i) {
    if (coordinators_[i] == nullptr || !dice_.OneIn(faults.crash)) continue;
    CountResumed(i);
    network_.Remove(static_cast<NodeId>(i));
    coordinators_[i].reset();
    events_.After(dice_.Within(milliseconds(0), milliseconds(1'500)),
                  [this, i] { StartCoordinator(i); });
  }
  for (size_t i = 0; i < kWorkers; ++i) {
    if (workers_[i] == nullptr || !dice_.OneIn(faults.crash)) continue;
    network_.Remove(kFirstWorker + static_cast<NodeId>(i));
    workers_[i].reset();
    events_.After(dice_.Within(milliseconds(0), milliseconds(1'500)),
                  [this, i] { StartWorker(i); });
  }
  if (dice_.OneIn(faults.partition)) PartitionSome();
  if (dice_.OneIn(faults.drain)) DrainSome();
  events_.After(kNemesisStep, [this] { Nemesis(); });
}

void World::PartitionSome() {
  const auto coordinator = static_cast<NodeId>(dice_.Below(kCoordinators));
  const NodeId other = dice_.OneIn(2) ? kFirstWorker + static_cast<NodeId>(dice_.Below(kWorkers))
                                      : kFirstClient + static_cast<NodeId>(dice_.Below(kClients));
  network_.Partition(coordinator, other, dice_.Within(milliseconds(5), milliseconds(1'000)));
}

void World::DrainSome() {
  const size_t coordinator = dice_.Below(kCoordinators);
  if (coordinators_[coordinator] == nullptr) return;
  ++network_.counts().drains;
  const NodeId worker = kFirstWorker + static_cast<NodeId>(dice_.Below(kWorkers));
  coordinators_[coordinator]->Drain(worker, DrainChange::kDrain);
  events_.After(dice_.Within(milliseconds(50), milliseconds(600)), [this, worker] {
    for (const auto& one : coordinators_) {
      if (one != nullptr) one->Drain(worker, DrainChange::kResume);
    }
  });
}

// ---- the end ----

WorldResult World::Run() {
  events_.RunUntil(events_.now() + kTrouble);
  healed_ = true;
  network_.Heal();
  events_.RunUntil(events_.now() + kQuiet);
  for (NodeId i = 0; i < kWorkers; ++i) {
    // Who drains a worker says so again when it cannot know that it was heard.
    coordinators_[0]->Drain(kFirstWorker + i, DrainChange::kResume);
  }
  events_.RunUntil(events_.now() + kHeard);
  WorldResult result{.faults = network_.traces().faults,
                     .injected = network_.counts(),
                     .traces = network_.traces()};
  for (size_t i = 0; i < kCoordinators; ++i) CountResumed(i);
  result.resumed = resumed_;
  CheckQuiet(result);
  AskOnceMore(result);
  CheckQuiet(result);
  CheckClients(result);
  return result;
}

void World::AskOnceMore(WorldResult& result) {
  for (NodeId i = 0; i < kCoordinators; ++i) {
    clients_.push_back(std::make_unique<SimClient>(
        kFirstClient + kClients + i, std::vector<NodeId>{i}, events_, dice_, network_));
  }
  std::vector<uint64_t> before;
  for (const auto& client : clients_) {
    before.push_back(client->counts().ok);
    client->Submit(static_cast<uint32_t>(dice_.Below(40)), kLongestDeadline);
  }
  const SteadyTime end = events_.now() + kLongestDeadline * 2;
  while (open() > 0 && events_.now() < end) events_.RunUntil(events_.now() + kLook);
  for (size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i]->counts().ok > before[i]) continue;
    result.faults.push_back("after the trouble client " + std::to_string(i) +
                            " is not served: " + clients_[i]->last_end().ToString());
  }
}

size_t World::open() const {
  size_t open = 0;
  for (const auto& client : clients_) open += client->open();
  return open;
}

void World::CountResumed(size_t coordinator) {
  resumed_ += coordinators_[coordinator]->sessions().counters().resumed;
}

void World::CheckClients(WorldResult& result) const {
  for (const auto& client : clients_) {
    for (const std::string& fault : client->faults()) result.faults.push_back(fault);
    if (client->open() > 0) result.faults.push_back("a request has not ended");
    result.clients.submitted += client->counts().submitted;
    result.clients.ok += client->counts().ok;
    result.clients.continued += client->counts().continued;
    result.clients.cancelled += client->counts().cancelled;
    for (const auto& [code, count] : client->counts().failed) result.clients.failed[code] += count;
  }
}

void World::CheckQuiet(WorldResult& result) const {
  for (const auto& coordinator : coordinators_) {
    const SessionTable& sessions = coordinator->sessions();
    if (sessions.active() > 0) result.faults.push_back("a coordinator has a request left");
    if (sessions.waiting() > 0) result.faults.push_back("a request waits for a worker");
    size_t open = 0;
    for (const auto& [peer, worker] : sessions.workers().all()) open += worker.open ? 1 : 0;
    if (open != kWorkers) result.faults.push_back("a worker gets no requests of a coordinator");
    for (const auto& [id, worker] : sessions.workers().fleet().workers()) {
      if (worker.assigned() > 0) result.faults.push_back("a worker's slots are still taken");
    }
  }
  for (const auto& worker : workers_) {
    if (worker->running() > 0) result.faults.push_back("a worker computes what nobody waits for");
  }
}

}  // namespace promptcache::chaos
