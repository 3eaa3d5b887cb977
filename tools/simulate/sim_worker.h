// A simulated worker with its queue: one request after another to the first token, then decoding
// beside the others.
#pragma once

#include <deque>
#include <optional>
#include <unordered_set>

#include "tools/simulate/worker_model.h"

namespace promptcache {

class SimWorker {
 public:
  SimWorker(const WorkerModel& model, std::span<const uint32_t> unit_tokens)
      : model_(&model), tiers_(model, unit_tokens) {}

  struct Queued {
    uint32_t request = 0;  // index into the workload
    double predicted_s = 0;
  };
  struct Running {
    uint32_t request = 0;
    Work work;
    double until_s = 0;
  };

  void Enqueue(Queued queued);
  // The next of the queue while none is computed.
  std::optional<Running> StartNext(const Workload& workload, std::unordered_set<uint32_t>& stored,
                                   double now_s);
  // REQUIRES, here and for FinishPrefill: one runs.
  uint32_t running() const { return running_->request; }
  // It decodes from here on.
  Running FinishPrefill(const SimRequest& request);
  // REQUIRES: decodes.
  void FinishDecode(const SimRequest& request);

  // Work from here on takes this many times as long; reports do not say so.
  void SetSlowdown(double factor) { slowdown_ = factor; }
  WorkerReport Report(double now_s) const;
  WorkerTiers& tiers() { return tiers_; }
  const WorkerModel& model() const { return *model_; }

 private:
  const WorkerModel* model_;
  WorkerTiers tiers_;
  std::deque<Queued> queue_;
  double queued_s_ = 0;
  std::optional<Running> running_;
  uint64_t decoding_tokens_ = 0;
  double slowdown_ = 1;
};

}  // namespace promptcache
