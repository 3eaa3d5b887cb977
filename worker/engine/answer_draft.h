// One of a request's answers in the making, as far as it takes no model: its tokens, its text and
// where it ends.
#pragma once

#include <cstdint>

#include "common/text/detokenizer.h"
#include "common/text/tokenizer.h"
#include "common/types.h"
#include "worker/engine/request.h"

namespace promptcache {

// Not thread safe: belongs to the engine thread.
class AnswerDraft {
 public:
  // `request` and `tokenizer` outlive the draft.
  AnswerDraft(const EngineRequest& request, const Tokenizer& tokenizer, uint32_t index);

  // REQUIRES: !done().
  void Add(TokenId id);
  // Of the token that is added next.
  void AddLogprobs(TokenLogprobs logprobs) { part_.logprobs.push_back(std::move(logprobs)); }
  bool done() const { return finish_ != FinishReason::kNone; }
  FinishReason finish() const { return finish_; }
  uint32_t generated() const { return generated_; }

  // What was added since the last call.
  AnswerPart TakePart();

 private:
  void AddText(TokenId id);
  bool IsEnd(TokenId id) const;

  const GenerationOptions& options_;
  const Tokenizer& tokenizer_;
  const uint32_t index_;
  StreamingDetokenizer detokenizer_;
  StopMatcher stops_;
  AnswerPart part_;
  uint32_t generated_ = 0;
  FinishReason finish_ = FinishReason::kNone;
};

}  // namespace promptcache
