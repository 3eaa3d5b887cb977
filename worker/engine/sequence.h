// One running request: its units, the keys and values of its prompt, and its samples.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "worker/engine/account.h"
#include "worker/engine/request.h"
#include "worker/engine/sample.h"
#include "worker/kv/unit.h"
#include "worker/model/model.h"

namespace promptcache {

// The logits of a forward step, handed out one row after the other.
class LogitRows {
 public:
  // `logits`: [steps that asked, vocabulary]; outlives this.
  LogitRows(std::span<const float> logits, size_t vocabulary)
      : left_(logits), vocabulary_(vocabulary) {}
  // REQUIRES: a row is left.
  std::span<const float> Next() {
    const auto row = left_.first(vocabulary_);
    left_ = left_.subspan(vocabulary_);
    return row;
  }

 private:
  std::span<const float> left_;
  const size_t vocabulary_;
};

// The prompt is computed once; each sample continues it as a row of its own. Not thread safe:
// belongs to the engine thread.
class Sequence {
 public:
  // The tokenizer outlives the sequence.
  Sequence(EngineRequest request, const Tokenizer& tokenizer, SteadyTime admitted);
  Sequence(const Sequence&) = delete;  // its samples refer to it
  Sequence& operator=(const Sequence&) = delete;

  const EngineRequest& request() const { return request_; }
  // What it takes of the engine's slots: one for each sample that goes on, at least one.
  size_t slots() const;

  // ---- units ----
  size_t unit_count() const { return units_.size(); }
  size_t missing_units() const { return missing_; }
  // Unit `index` is on its way and may be read as far as it has arrived.
  void SetLoading(size_t index, UnitPtr unit) { units_[index] = std::move(unit); }
  // Unit `index` has arrived, after waiting for `usage.milliseconds`; `encoded_tokens` were run for
  // it.
  void SetUnit(size_t index, UnitPtr unit, UnitUsage usage, uint32_t encoded_tokens);

  // Computing may begin: all units are there, or on their way and waited for layer by layer.
  bool can_begin() const;
  // The model outlives the sequence. kResourceExhausted when there is no memory for the prompt's
  // keys and values. REQUIRES: can_begin().
  Status Begin(const Model& model, SteadyTime now);
  // Whether steps may be taken, in company when no unit is missing, and else alone: they may fail.
  bool can_step() const;
  // A step failed: what was computed is forgotten, and begins anew when all units are there.
  // REQUIRES: units are missing.
  void StartOver();

  // ---- steps ----
  // Appends the next forward steps: a part of the new tokens, or of every sample that goes on the
  // last token, behind those that were delivered and are yet to compute. Valid until the sequence
  // changes. REQUIRES: can_step().
  void AddSteps(uint32_t prefill_chunk, std::vector<SequenceStep>& steps);
  // Takes a row for each of those steps that asked for logits. kDataLoss when they are not finite
  // numbers, kResourceExhausted when there is no memory for the samples' keys and values: the
  // request has to be given up.
  Status StepsDone(LogitRows& rows, SteadyTime now);
  bool done() const { return open_samples() == 0; }
  // That are computed before the first token is drawn.
  size_t tokens_before_next() const;
  // Of keys and values besides the units'.
  int64_t own_rows() const;

  // What was generated since the last call, by sample; samples without anything new are left out.
  std::vector<AnswerPart> TakeParts();
  // The account at the end; once. `interrupted`: why samples that are not done ended; kNone when
  // all are.
  Usage TakeUsage(FinishReason interrupted);

 private:
  std::vector<TokenId> History() const;
  size_t open_samples() const;
  int64_t capacity() const;
  void Accept(Sample& sample, std::span<const float> logits, SteadyTime now);
  Status HandOutPrompt();

  const EngineRequest request_;
  RequestAccount account_;
  std::vector<UnitPtr> units_;
  size_t missing_ = 0;

  const Model* model_ = nullptr;  // from Begin on
  bool started_over_ = false;
  KvBuffer prompt_;               // until the samples have it
  std::vector<KeyRange> ranges_;  // of the current step
  size_t prefilled_ = 0;
  size_t step_tokens_ = 0;  // of the prompt
  std::deque<Sample> samples_;
};

}  // namespace promptcache
