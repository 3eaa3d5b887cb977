// A simulated worker at work, as worker/engine does it: loads go on beside computing, and a request
// is computed when its units are there, past those that wait for theirs.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tools/simulate/worker_model.h"

namespace promptcache {

// What a request took by itself, without waiting for others.
struct Work {
  double seconds = 0;
  std::array<uint64_t, 6> unit_tokens{};  // by Source: where they were
  uint64_t bytes = 0;                     // loaded from other tiers
};

class SimWorker {
 public:
  // All outlive it. `stored`: units in the store of all workers; what is encoded is added.
  SimWorker(const WorkerModel& model, const Workload& workload,
            std::unordered_set<uint32_t>& stored)
      : model_(&model),
        workload_(&workload),
        stored_(&stored),
        tiers_(model, workload.unit_tokens) {}

  // Begins to get its units, each the fastest way. `request`: index into the workload.
  void Take(uint32_t request);

  // The loader reads one unit after another from the store or the disk. The end of the next load,
  // while none is under way.
  std::optional<double> StartLoad(double now_s);
  // REQUIRES: one is under way.
  void EndLoad();

  // One unit after another is copied from host memory to the device. As above.
  std::optional<double> StartCopy(double now_s);
  // REQUIRES: one is under way.
  void EndCopy();

  // The device takes turns: a chunk of a unit is encoded, and the new tokens of at most eight
  // requests whose units are there are computed together. The end of the next turn, while none is
  // under way.
  std::optional<double> StartTurn(double now_s);
  struct Answer {
    uint32_t request = 0;
    Work work;
  };
  // Those that have their first token now, and decode from here on. REQUIRES: one is under way.
  std::vector<Answer> EndTurn();
  // REQUIRES: decodes.
  void EndDecode(uint32_t request);

  // Work from here on takes this many times as long; reports do not say so.
  void SetSlowdown(double factor) { slowdown_ = factor; }
  WorkerReport Report(double now_s) const;
  double device_seconds() const { return device_s_; }  // of all turns
  WorkerTiers& tiers() { return tiers_; }
  const WorkerModel& model() const { return *model_; }

 private:
  struct Asked {
    Work work;
    size_t missing = 0;  // units
  };
  struct OnItsWay {
    Source from = Source::kEncoded;
    std::vector<uint32_t> waiting;  // requests
  };
  struct Encode {
    uint32_t unit = 0;
    uint32_t tokens_left = 0;
  };
  struct Turn {
    double until_s = 0;
    uint32_t encoded_tokens = 0;
    std::vector<uint32_t> computed;  // requests
  };

  // Of the fastest way to get it.
  Source WayOf(uint32_t unit) const;
  void Get(uint32_t unit, OnItsWay& on_its_way, Work& work);
  // From the loader's tier to memory, or from host memory to the device.
  double LoadSeconds(uint32_t unit) const;
  double CopySeconds(uint32_t unit) const;
  bool HasHostMemory() const { return model_->second == Source::kHost; }
  void Arrived(uint32_t unit);
  uint32_t OwnTokens(uint32_t request) const;

  const WorkerModel* model_;
  const Workload* workload_;
  std::unordered_set<uint32_t>* stored_;
  WorkerTiers tiers_;
  std::unordered_map<uint32_t, Asked> asked_;  // by request: without a first token
  std::unordered_map<uint32_t, OnItsWay> on_their_way_;
  std::deque<uint32_t> to_load_;  // the first one is being loaded, if any is
  bool loading_ = false;
  std::deque<uint32_t> to_copy_;  // as above
  bool copying_ = false;
  std::deque<Encode> to_encode_;
  std::deque<uint32_t> ready_;  // requests
  std::optional<Turn> turn_;
  double device_s_ = 0;
  uint64_t decoding_tokens_ = 0;
  double slowdown_ = 1;
};

}  // namespace promptcache
