// Takes the forward steps of an engine's requests. Internal to worker/engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "worker/engine/sequence.h"

namespace promptcache {

using Sequences = std::vector<std::unique_ptr<Sequence>>;

// Belongs to the engine thread.
class Stepper {
 public:
  // Ends a request, and with it its sequence.
  using EndRequest = std::function<void(const RequestId& id, const Status& status)>;

  // The model outlives the stepper.
  Stepper(Model& model, uint32_t prefill_chunk_tokens, EndRequest end)
      : model_(model), prefill_chunk_tokens_(prefill_chunk_tokens), end_(std::move(end)) {}

  // One step for every sequence whose units are there. False when there is none.
  bool Step(const Sequences& running);
  // One step for a sequence whose units are still being loaded; waits for layers up to
  // kLayerPatience. One that fails is taken back: nothing of it is seen. False when there is none.
  bool StepAhead(const Sequences& running);

  // Tokens a second; 0 before it was measured.
  double prefill_rate() const { return prefill_rate_; }
  uint64_t generated_tokens() const { return generated_tokens_; }

 private:
  using Batch = std::vector<Sequence*>;

  void Run(const Batch& batch, std::vector<SequenceStep>& steps);
  void TakeLogits(const Batch& batch, const at::Tensor& logits);
  void Advance(Sequence& sequence, LogitRows& rows, SteadyTime now);
  void MeasurePrefill(const std::vector<SequenceStep>& steps, double milliseconds);

  Model& model_;
  const uint32_t prefill_chunk_tokens_;
  const EndRequest end_;
  double prefill_rate_ = 0;
  uint64_t generated_tokens_ = 0;
};

}  // namespace promptcache
