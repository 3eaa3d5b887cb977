// An engine in virtual time: makes the tokens of the oracle out of units that it holds, loads or
// encodes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/event_queue.h"
#include "tests/chaos/oracle.h"
#include "tests/chaos/sim_store.h"
#include "worker/engine/engine.h"

namespace promptcache::chaos {

// With its process a crash takes all of it, and nobody hears of an end.
class SimEngine : public Engine {
 public:
  // Chances that a write to the store is torn: one in `torn_write`, as it says then; 0: never.
  struct TornWrites {
    const uint64_t* one_in = nullptr;
    uint64_t* count = nullptr;
  };
  SimEngine(EventQueue& events, Dice& dice, SimStore& store, TornWrites torn,
            std::function<void(UnitChanges)> on_residency);
  ~SimEngine() override { *alive_ = false; }

  size_t running() const { return jobs_.size(); }

  Status Submit(EngineRequest request) override;
  void Cancel(const RequestId& id) override;
  EngineStats stats() const override;
  void Drop(std::vector<UnitKey> keys, std::function<void(RemovedUnits)> done) override;

 private:
  struct Job {
    EngineRequest request;
    uint32_t next = 0;     // token
    std::string withheld;  // of the text
    bool acquired = false;
    uint64_t states = 0;
  };
  using Jobs = std::deque<Job>;  // the oldest first

  Jobs::iterator Find(const RequestId& id);
  void Step();
  bool StepOne(Job& job);  // false: it is done
  static void Add(TokenId token, Job& job, AnswerPart& part);
  uint64_t Acquire(const RecipeDigest& unit, uint64_t domain);
  void End(Jobs::iterator job, const Status& status);

  EventQueue& events_;
  Dice& dice_;
  SimStore& store_;
  const TornWrites torn_;
  const std::function<void(UnitChanges)> on_residency_;
  Jobs jobs_;
  std::map<UnitKey, uint64_t> memory_;  // states
  uint64_t finished_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace promptcache::chaos
