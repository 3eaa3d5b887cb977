#include "worker/engine/answer_draft.h"

#include <algorithm>
#include <utility>

namespace promptcache {

AnswerDraft::AnswerDraft(const EngineRequest& request, const Tokenizer& tokenizer, uint32_t index)
    : options_(request.options),
      tokenizer_(tokenizer),
      index_(index),
      detokenizer_(tokenizer),
      stops_(request.options.stop_strings) {
  if (options_.max_new_tokens == 0) finish_ = FinishReason::kLength;
}

void AnswerDraft::Add(TokenId id) {
  ++generated_;
  part_.tokens.push_back(id);
  AddText(id);
}

void AnswerDraft::AddText(TokenId id) {
  if (IsEnd(id)) {
    finish_ = FinishReason::kStop;
  } else {
    // The vocabulary of model and tokenizer may differ in padding; such ids have no text.
    const auto text = detokenizer_.Push(id);
    const StopMatcher::Step step = stops_.Push(text.ok() ? *text : "");
    part_.text += step.text;
    if (step.stopped) {
      finish_ = FinishReason::kStop;
      return;
    }
    if (generated_ >= options_.max_new_tokens) finish_ = FinishReason::kLength;
  }
  if (finish_ == FinishReason::kNone) return;
  const StopMatcher::Step tail = stops_.Push(detokenizer_.Flush());
  part_.text += tail.text;
  if (!tail.stopped) part_.text += stops_.Flush();
}

bool AnswerDraft::IsEnd(TokenId id) const {
  const auto contains = [id](const std::vector<TokenId>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  return contains(options_.stop_ids) || contains(tokenizer_.end_ids());
}

AnswerPart AnswerDraft::TakePart() {
  AnswerPart part = std::exchange(part_, {});
  part.sample = index_;
  return part;
}

}  // namespace promptcache
