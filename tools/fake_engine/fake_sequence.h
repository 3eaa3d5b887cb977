// One request that the fake engine runs.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "common/clock.h"
#include "common/text/tokenizer.h"
#include "tools/fake_engine/fake_unit.h"
#include "worker/engine/account.h"
#include "worker/engine/answer_draft.h"
#include "worker/engine/pending_units.h"
#include "worker/engine/request.h"

namespace promptcache {

// Each token follows from the plan, the bytes of its units, seed, sample, and all tokens before it.
// Not thread safe: belongs to the engine thread.
class FakeSequence {
 public:
  // `words`: the tokens that answers are made of, not empty; with the tokenizer they outlive the
  // sequence.
  FakeSequence(EngineRequest request, const Tokenizer& tokenizer, std::span<const TokenId> words,
               SteadyTime admitted);
  FakeSequence(const FakeSequence&) = delete;  // its samples refer to it
  FakeSequence& operator=(const FakeSequence&) = delete;

  const EngineRequest& request() const { return request_; }
  // What it takes of the engine's slots: one for each sample that goes on, at least one.
  size_t slots() const;
  size_t missing_units() const { return missing_; }
  bool done() const { return open_samples() == 0; }
  // Rows that it would have of its own.
  size_t rows() const;

  // REQUIRES: the status is OK, as it always is here.
  void SetUnit(size_t index, UnitArrival arrival);
  // All units are there.
  void Begin(SteadyTime now);
  // Draws the next token of each sample that goes on. REQUIRES: Begin was called.
  void Step(SteadyTime now);
  // What was generated since the last call, by sample.
  std::vector<AnswerPart> TakeParts();
  // The account at the end; once. `interrupted`: why samples that are not done ended.
  Usage TakeUsage(FinishReason interrupted);

 private:
  struct Sample {
    AnswerDraft draft;
    uint64_t state = 0;
  };

  size_t open_samples() const;
  uint64_t PromptState() const;
  static void Add(Sample& sample, TokenId id);

  const EngineRequest request_;
  const std::span<const TokenId> words_;
  RequestAccount account_;
  std::vector<FakeUnitPtr> units_;
  size_t missing_;
  std::deque<Sample> samples_;
};

}  // namespace promptcache
