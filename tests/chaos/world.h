// A whole cluster in one thread: real request tables, session tables and request logs, simulated
// network, store and engines, and a nemesis. What happens follows from the seed.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/sim_client.h"
#include "tests/chaos/sim_coordinator.h"
#include "tests/chaos/sim_worker.h"

namespace promptcache::chaos {

struct WorldResult {
  std::vector<std::string> faults;  // in the cluster: what broke the contract
  FaultCounts injected;
  ClientCounts clients;
  SeenTraces traces;
  uint64_t resumed = 0;  // requests that went on elsewhere, as coordinators count
};

class World {
 public:
  World(uint64_t seed, const Faults& faults);
  // Trouble for a while, then none; everything has to come to an end, and whoever asks then is
  // answered.
  WorldResult Run();

 private:
  static constexpr NodeId kCoordinators = 3;
  static constexpr NodeId kWorkers = 3;
  static constexpr NodeId kClients = 4;
  static constexpr NodeId kFirstWorker = 100;
  static constexpr NodeId kFirstClient = 50;

  void StartCoordinator(size_t index);
  void StartWorker(size_t index);
  void Nemesis();
  void PartitionSome();
  void DrainSome();
  void Submit(size_t client);
  // Everybody submits once more, also who has only one coordinator.
  void AskOnceMore(WorldResult& result);
  size_t open() const;
  void CheckClients(WorldResult& result) const;
  void CheckQuiet(WorldResult& result) const;
  void CountResumed(size_t coordinator);

  EventQueue events_;
  Dice dice_;
  SimNetwork network_;
  SimStore store_;
  std::array<std::unique_ptr<SimCoordinator>, kCoordinators> coordinators_;
  std::array<std::unique_ptr<SimWorker>, kWorkers> workers_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  uint64_t resumed_ = 0;
  bool healed_ = false;
};

}  // namespace promptcache::chaos
