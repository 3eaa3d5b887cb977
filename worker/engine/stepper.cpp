#include "worker/engine/stepper.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

namespace promptcache {

bool Stepper::Step(const Sequences& running) {
  Batch batch;
  std::vector<SequenceStep> steps;
  for (const auto& sequence : running) {
    if (sequence->missing_units() > 0 || !sequence->can_step()) continue;
    batch.push_back(sequence.get());
    sequence->AddSteps(prefill_chunk_tokens_, steps);
  }
  if (batch.empty()) return false;
  Run(batch, steps);
  return true;
}

bool Stepper::StepAhead(const Sequences& running) {
  const auto found = std::find_if(running.begin(), running.end(), [](const auto& sequence) {
    return sequence->missing_units() > 0 && sequence->can_step();
  });
  if (found == running.end()) return false;
  Sequence& sequence = **found;
  std::vector<SequenceStep> steps;
  sequence.AddSteps(prefill_chunk_tokens_, steps);
  const Result<at::Tensor> logits = model_.Forward(steps);
  if (logits.ok()) {
    TakeLogits({&sequence}, *logits);
  } else {
    sequence.StartOver();  // what is not the units' fault comes again with all of them there
  }
  return true;
}

void Stepper::Run(const Batch& batch, std::vector<SequenceStep>& steps) {
  const SteadyTime start = SystemClock().Now();
  const Result<at::Tensor> logits = model_.Forward(steps);
  if (!logits.ok()) {
    for (Sequence* sequence : batch) end_(sequence->request().id, logits.status());
    return;
  }
  MeasurePrefill(steps, MillisecondsBetween(start, SystemClock().Now()));
  TakeLogits(batch, *logits);
}

void Stepper::TakeLogits(const Batch& batch, const at::Tensor& logits) {
  const SteadyTime now = SystemClock().Now();
  LogitRows rows({logits.data_ptr<float>(), static_cast<size_t>(logits.numel())},
                 static_cast<size_t>(logits.size(1)));
  for (Sequence* sequence : batch) Advance(*sequence, rows, now);
}

void Stepper::Advance(Sequence& sequence, LogitRows& rows, SteadyTime now) {
  const Status status = sequence.StepsDone(rows, now);
  if (!status.ok()) return end_(sequence.request().id, status);
  for (AnswerPart& part : sequence.TakeParts()) {
    generated_tokens_ += part.tokens.size();
    sequence.request().events.on_part(std::move(part));
  }
}

void Stepper::MeasurePrefill(const std::vector<SequenceStep>& steps, double milliseconds) {
  constexpr size_t kLeast = 64;  // fewer say more about overheads than about speed
  size_t tokens = 0;
  for (const SequenceStep& step : steps) tokens += step.ids.size();
  if (tokens < kLeast || milliseconds <= 0) return;
  const double rate = static_cast<double>(tokens) * 1000 / milliseconds;
  prefill_rate_ = prefill_rate_ == 0 ? rate : 0.8 * prefill_rate_ + 0.2 * rate;
}

}  // namespace promptcache
