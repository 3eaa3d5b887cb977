// One of a request's answers in the making, drawn from a model's logits.
#pragma once

#include <span>
#include <vector>

#include "worker/engine/answer_draft.h"
#include "worker/engine/request.h"
#include "worker/engine/sampler.h"
#include "worker/model/model.h"

namespace promptcache {

// Not thread safe: belongs to the engine thread.
class Sample {
 public:
  // `request` and `tokenizer` outlive the sample. `history`: the ids of every token of the plan.
  // What was delivered of the answer counts as generated, and has been taken.
  Sample(const EngineRequest& request, const Tokenizer& tokenizer, std::span<const TokenId> history,
         uint32_t index);

  // Draws the next token from `logits` [vocabulary]. REQUIRES: !done(), and none of
  // its tokens is uncomputed.
  void Accept(std::span<const float> logits);
  bool done() const { return draft_.done(); }
  FinishReason finish() const { return draft_.finish(); }
  uint32_t generated() const { return draft_.generated(); }

  // The keys and values of the prompt, to which the sample adds its own.
  void SetOwn(KvBuffer own) { own_ = std::move(own); }
  const KvBuffer& own() const { return own_; }
  // Of its tokens, those whose keys and values are missing: in general the last one.
  size_t uncomputed() const { return uncomputed_.size(); }
  // The forward step of the first `most` of these, with logits when it is all of them; `units` as
  // long as the step. Valid until the sample changes. REQUIRES: !done(), SetOwn called, some are
  // uncomputed.
  SequenceStep NextStep(std::span<const KeyRange> units, size_t most);
  void StepDone();

  // What was generated since the last call.
  AnswerPart TakePart() { return draft_.TakePart(); }

 private:
  void Add(TokenId id);
  TokenLogprobs Logprobs(std::span<const float> logits, TokenId id) const;

  const EngineRequest& request_;
  const Tokenizer& tokenizer_;
  Sampler sampler_;
  AnswerDraft draft_;

  KvBuffer own_;
  std::vector<TokenId> uncomputed_;
  std::vector<Position> positions_;  // of the step
};

}  // namespace promptcache
