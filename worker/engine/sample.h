// One of a request's answers in the making.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/text/detokenizer.h"
#include "worker/engine/request.h"
#include "worker/engine/sampler.h"
#include "worker/model/model.h"

namespace promptcache {

// Not thread safe: belongs to the engine thread.
class Sample {
 public:
  // `request` and `tokenizer` outlive the sample. `history`: the ids of every token of the plan.
  Sample(const EngineRequest& request, const Tokenizer& tokenizer, std::span<const TokenId> history,
         uint32_t index);

  // Draws the next token from `logits` [vocabulary]. REQUIRES: !done().
  void Accept(std::span<const float> logits);
  bool done() const { return finish_ != FinishReason::kNone; }
  FinishReason finish() const { return finish_; }
  uint32_t generated() const { return generated_; }

  // The keys and values of the prompt, to which the sample adds its own.
  void SetOwn(KvBuffer own) { own_ = std::move(own); }
  // The forward step of the last token; `units` as long as the step. Valid until the sample
  // changes. REQUIRES: !done(), a token was accepted and SetOwn called.
  SequenceStep NextStep(std::span<const KeyRange> units);

  // What was generated since the last call.
  AnswerPart TakePart();

 private:
  void AddText(TokenId id);
  bool IsEnd(TokenId id) const;
  TokenLogprobs Logprobs(std::span<const float> logits, TokenId id) const;

  const EngineRequest& request_;
  const Tokenizer& tokenizer_;
  const uint32_t index_;
  Sampler sampler_;
  StreamingDetokenizer detokenizer_;
  StopMatcher stops_;

  KvBuffer own_;
  TokenId last_token_ = 0;  // of the step
  Position position_ = 0;   // likewise
  AnswerPart part_;
  uint32_t generated_ = 0;
  FinishReason finish_ = FinishReason::kNone;
};

}  // namespace promptcache
