#include "worker/engine/sequence.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "worker/engine/key_ranges.h"

namespace promptcache {

Sequence::Sequence(EngineRequest request, const Tokenizer& tokenizer, SteadyTime admitted)
    : request_(std::move(request)),
      tokenizer_(tokenizer),
      units_(request_.plan.units.size()),
      missing_(units_.size()),
      detokenizer_(tokenizer),
      stops_(request_.options.stop_strings) {
  const Plan& plan = request_.plan;
  usage_.cached_tokens = static_cast<uint32_t>(plan.cached_tokens());
  usage_.computed_tokens = static_cast<uint32_t>(plan.new_tokens.size());
  usage_.prompt_tokens = usage_.cached_tokens + usage_.computed_tokens;
  usage_.repair = plan.repair;
  usage_.linked_tokens = plan.linked_tokens;
  usage_.recomputed_tokens = plan.repaired_tokens;
  usage_.queue_ms = MillisecondsBetween(request_.received, admitted);
  usage_.units.resize(units_.size());
}

void Sequence::SetUnit(size_t index, UnitPtr unit, UnitUsage usage) {
  usage.path = request_.plan.units[index].path;
  usage.digest = request_.plan.units[index].digest;
  usage.bytes = unit->bytes;
  usage.tokens = 0;
  for (const PlanSegment& segment : request_.plan.segments) {
    if (segment.unit == index) usage.tokens += segment.rows;
  }
  if (usage.source != Source::kEncoded) usage_.reused_tokens += usage.tokens;
  usage_.units[index] = std::move(usage);
  units_[index] = std::move(unit);
  --missing_;
}

Status Sequence::Begin(const Model& model, SteadyTime now) {
  usage_.acquire_ms = MillisecondsBetween(request_.received, now) - usage_.queue_ms;
  if (request_.options.max_new_tokens == 0) {
    finish_ = FinishReason::kLength;
    return {};
  }
  const auto capacity = static_cast<int64_t>(request_.plan.new_tokens.size()) +
                        std::min<int64_t>(request_.options.max_new_tokens, 256);
  try {
    own_ = KvBuffer(model.shape(), model.kv_options(), capacity);
  } catch (const c10::Error& error) {
    return ResourceExhausted(std::string("no memory for the request: ") +
                             error.what_without_backtrace());
  }
  sampler_.emplace(request_.options, History());
  return {};
}

std::vector<TokenId> Sequence::History() const {
  std::vector<TokenId> history = request_.plan.new_tokens.ids;
  for (const PlanSegment& segment : request_.plan.segments) {
    const KnownRecipe& known = *request_.recipes[segment.unit];
    for (uint32_t row = 0; row < segment.rows; ++row) {
      history.push_back(known.recipe.own.ids[known.OwnIndex(segment.first_row + row)]);
    }
  }
  return history;
}

SequenceStep Sequence::NextStep(uint32_t prefill_chunk) {
  const Tokens& fresh = request_.plan.new_tokens;
  SequenceStep step{.own = &own_};
  if (prefilled_ < fresh.size()) {
    step_tokens_ = std::min<size_t>(prefill_chunk, fresh.size() - prefilled_);
    step.ids = std::span(fresh.ids).subspan(prefilled_, step_tokens_);
    step.positions = std::span(fresh.positions).subspan(prefilled_, step_tokens_);
    const bool last = prefilled_ + step_tokens_ == fresh.size();
    step.logits = last ? Logits::kLast : Logits::kNone;
    ranges_ = BuildKeyRanges(request_.plan, units_, step.positions);
  } else {
    step_tokens_ = 0;
    const Position position = request_.plan.next_position + static_cast<Position>(generated_) - 1;
    const bool first_decode = generated_ == 1;
    step_ids_ = {last_token_};
    step_positions_ = {position};
    step.ids = step_ids_;
    step.positions = step_positions_;
    step.logits = Logits::kLast;
    // Every later position sees every row: the ranges stay as they are.
    if (first_decode) ranges_ = BuildKeyRanges(request_.plan, units_, step.positions);
  }
  step.units = ranges_;
  return step;
}

void Sequence::StepDone(std::span<float> logits, SteadyTime now) {
  prefilled_ += step_tokens_;
  if (logits.empty()) return;
  AcceptToken(sampler_->Next(logits, generated_), now);
}

bool Sequence::IsEnd(TokenId id) const {
  const auto contains = [id](const std::vector<TokenId>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  return contains(request_.options.stop_ids) || contains(tokenizer_.end_ids());
}

void Sequence::AcceptToken(TokenId id, SteadyTime now) {
  if (generated_ == 0) usage_.ttft_ms = MillisecondsBetween(request_.received, now);
  ++generated_;
  usage_.generated_tokens = generated_;
  last_token_ = id;
  sampler_->Accept(id);
  output_.tokens.push_back(id);
  if (IsEnd(id)) {
    finish_ = FinishReason::kStop;
  } else {
    // The vocabulary of model and tokenizer may differ in padding; such ids have no text.
    const auto text = detokenizer_.Push(id);
    const StopMatcher::Step step = stops_.Push(text.ok() ? *text : "");
    output_.text += step.text;
    if (step.stopped) {
      finish_ = FinishReason::kStop;
      return;
    }
    if (generated_ >= request_.options.max_new_tokens) finish_ = FinishReason::kLength;
  }
  if (finish_ == FinishReason::kNone) return;
  const StopMatcher::Step tail = stops_.Push(detokenizer_.Flush());
  output_.text += tail.text;
  if (!tail.stopped) output_.text += stops_.Flush();
}

Sequence::Output Sequence::TakeOutput() { return std::exchange(output_, {}); }

}  // namespace promptcache
