#include "worker/engine/sample.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "worker/engine/logprobs.h"

namespace promptcache {

Sample::Sample(const EngineRequest& request, const Tokenizer& tokenizer,
               std::span<const TokenId> history, uint32_t index)
    : request_(request),
      tokenizer_(tokenizer),
      index_(index),
      sampler_(request.options, history, index),
      detokenizer_(tokenizer),
      stops_(request.options.stop_strings) {
  if (request.options.max_new_tokens == 0) finish_ = FinishReason::kLength;
  if (index >= request.delivered.size()) return;
  for (const TokenId id : request.delivered[index]) {
    if (!done()) Add(id);
  }
  part_ = {};  // of which the text that is certain was delivered, too
}

void Sample::Accept(std::span<const float> logits) {
  const TokenId id = sampler_.Next(logits, generated_);
  if (request_.options.logprobs > 0) part_.logprobs.push_back(Logprobs(logits, id));
  Add(id);
}

void Sample::Add(TokenId id) {
  sampler_.Accept(id);
  uncomputed_.push_back(id);
  ++generated_;
  part_.tokens.push_back(id);
  AddText(id);
}

void Sample::AddText(TokenId id) {
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
    if (generated_ >= request_.options.max_new_tokens) finish_ = FinishReason::kLength;
  }
  if (finish_ == FinishReason::kNone) return;
  const StopMatcher::Step tail = stops_.Push(detokenizer_.Flush());
  part_.text += tail.text;
  if (!tail.stopped) part_.text += stops_.Flush();
}

bool Sample::IsEnd(TokenId id) const {
  const auto contains = [id](const std::vector<TokenId>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  return contains(request_.options.stop_ids) || contains(tokenizer_.end_ids());
}

TokenLogprobs Sample::Logprobs(std::span<const float> logits, TokenId id) const {
  TokenLogprobs out = LogprobsOf(logits, id, request_.options.logprobs);
  const auto add_bytes = [this](TokenLogprob& one) {
    auto bytes = tokenizer_.TokenBytes(one.id);
    if (bytes.ok()) one.bytes = *std::move(bytes);
  };
  add_bytes(out.chosen);
  for (TokenLogprob& one : out.top) add_bytes(one);
  return out;
}

SequenceStep Sample::NextStep(std::span<const KeyRange> units, size_t most) {
  const size_t count = std::min(most, uncomputed_.size());
  positions_.resize(count);
  const auto computed = static_cast<Position>(generated_ - uncomputed_.size());
  std::iota(positions_.begin(), positions_.end(), request_.plan.next_position + computed);
  return {.ids = std::span(uncomputed_).first(count),
          .positions = positions_,
          .units = units,
          .own = &own_,
          .logits = count == uncomputed_.size() ? Logits::kLast : Logits::kNone};
}

void Sample::StepDone() {
  uncomputed_.erase(uncomputed_.begin(),
                    uncomputed_.begin() + static_cast<ptrdiff_t>(positions_.size()));
}

AnswerPart Sample::TakePart() {
  AnswerPart part = std::exchange(part_, {});
  part.sample = index_;
  return part;
}

}  // namespace promptcache
