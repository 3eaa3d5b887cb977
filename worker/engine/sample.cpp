#include "worker/engine/sample.h"

#include <algorithm>
#include <numeric>

#include "worker/engine/logprobs.h"

namespace promptcache {

Sample::Sample(const EngineRequest& request, const Tokenizer& tokenizer,
               std::span<const TokenId> history, uint32_t index)
    : request_(request),
      tokenizer_(tokenizer),
      sampler_(request.options, history, index),
      draft_(request, tokenizer, index) {
  if (index >= request.delivered.size()) return;
  for (const TokenId id : request.delivered[index]) {
    if (!done()) Add(id);
  }
  (void)TakePart();  // the text of it that is certain was delivered, too
}

void Sample::Accept(std::span<const float> logits) {
  const TokenId id = sampler_.Next(logits, generated());
  if (request_.options.logprobs > 0) draft_.AddLogprobs(Logprobs(logits, id));
  Add(id);
}

void Sample::Add(TokenId id) {
  sampler_.Accept(id);
  uncomputed_.push_back(id);
  draft_.Add(id);
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
  const auto computed = static_cast<Position>(generated() - uncomputed_.size());
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

}  // namespace promptcache
