#include "worker/engine/sequence.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "worker/engine/key_ranges.h"

namespace promptcache {
namespace {

Status NoMemory(const c10::Error& error) {
  return ResourceExhausted(std::string("no memory for the request: ") +
                           error.what_without_backtrace());
}

// A token drawn from anything else would mean nothing.
Status CheckFinite(std::span<const float> logits) {
  if (std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }))
    return {};
  return DataLoss(
      "the model's logits are not finite numbers: its weights or its configuration make numbers "
      "too large for the dtype, or are damaged");
}

// Throws c10::Error when memory runs out.
KvBuffer CopyOf(const KvBuffer& from, const Model& model, int64_t capacity) {
  KvBuffer copy(model.shape(), model.kv_options(), capacity);
  copy.Grow(from.positions());
  copy.tensor().narrow(3, 0, from.size()).copy_(from.tensor().narrow(3, 0, from.size()));
  return copy;
}

}  // namespace

Sequence::Sequence(EngineRequest request, const Tokenizer& tokenizer, SteadyTime admitted)
    : request_(std::move(request)),
      account_(request_, admitted),
      units_(request_.plan.units.size()),
      missing_(units_.size()) {
  std::vector<TokenId> history;
  if (request_.options.repetition_penalty > 1) history = History();
  for (uint32_t i = 0; i < request_.options.samples; ++i) {
    samples_.emplace_back(request_, tokenizer, history, i);
  }
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

size_t Sequence::open_samples() const {
  return static_cast<size_t>(std::count_if(samples_.begin(), samples_.end(),
                                           [](const Sample& sample) { return !sample.done(); }));
}

size_t Sequence::slots() const { return std::max<size_t>(1, open_samples()); }

// ---- units ----

void Sequence::SetUnit(size_t index, UnitPtr unit, UnitUsage usage, uint32_t encoded_tokens) {
  account_.UnitCame(index, unit->bytes, std::move(usage), encoded_tokens);
  units_[index] = std::move(unit);
  --missing_;
}

bool Sequence::can_begin() const {
  if (model_ != nullptr) return false;
  const auto is_known = [](const UnitPtr& unit) { return unit != nullptr; };
  return missing_ == 0 || (!started_over_ && std::all_of(units_.begin(), units_.end(), is_known));
}

Status Sequence::Begin(const Model& model, SteadyTime now) {
  account_.Began(now);
  model_ = &model;
  if (done()) return {};
  try {
    prompt_ = KvBuffer(model.shape(), model.kv_options(), capacity());
  } catch (const c10::Error& error) {
    return NoMemory(error);
  }
  return {};
}

// What follows the prompt waits for all units: it can then not fail for their sake.
bool Sequence::can_step() const {
  if (model_ == nullptr || done()) return false;
  return missing_ == 0 || prefilled_ < request_.plan.new_tokens.size();
}

void Sequence::StartOver() {
  model_ = nullptr;
  started_over_ = true;
  prompt_ = {};
  prefilled_ = 0;
}

// Of a buffer, in rows: the prompt and a usual answer.
int64_t Sequence::capacity() const {
  return static_cast<int64_t>(request_.plan.new_tokens.size()) +
         std::min<int64_t>(request_.options.max_new_tokens, 256);
}

// ---- steps ----

void Sequence::AddSteps(uint32_t prefill_chunk, std::vector<SequenceStep>& steps) {
  const Tokens& fresh = request_.plan.new_tokens;
  if (prefilled_ == fresh.size()) {
    // Every later position sees every row.
    ranges_ = BuildKeyRanges(request_.plan, units_, {&request_.plan.next_position, 1});
    const size_t most = std::max<size_t>(1, prefill_chunk / slots());
    for (Sample& sample : samples_) {
      if (!sample.done()) steps.push_back(sample.NextStep(ranges_, most));
    }
    return;
  }
  step_tokens_ = std::min<size_t>(prefill_chunk, fresh.size() - prefilled_);
  const auto positions = std::span(fresh.positions).subspan(prefilled_, step_tokens_);
  const bool last = prefilled_ + step_tokens_ == fresh.size();
  ranges_ = BuildKeyRanges(request_.plan, units_, positions);
  steps.push_back({.ids = std::span(fresh.ids).subspan(prefilled_, step_tokens_),
                   .positions = positions,
                   .units = ranges_,
                   .own = &prompt_,
                   .logits = last ? Logits::kLast : Logits::kNone});
}

Status Sequence::StepsDone(LogitRows& rows, SteadyTime now) {
  const size_t fresh = request_.plan.new_tokens.size();
  if (prefilled_ == fresh) {
    Status status;
    for (Sample& sample : samples_) {
      if (sample.done()) continue;
      sample.StepDone();
      if (sample.uncomputed() > 0) continue;              // it did not ask for logits
      const std::span<const float> logits = rows.Next();  // what follows belongs to others
      if (status.ok()) status = CheckFinite(logits);
      if (status.ok()) Accept(sample, logits, now);
    }
    return status;
  }
  prefilled_ += step_tokens_;
  if (prefilled_ < fresh) return {};
  const std::span<const float> logits = rows.Next();
  PC_RETURN_IF_ERROR(CheckFinite(logits));
  for (Sample& sample : samples_) {
    // One with delivered tokens goes on behind those.
    if (!sample.done() && sample.uncomputed() == 0) Accept(sample, logits, now);
  }
  return HandOutPrompt();
}

void Sequence::Accept(Sample& sample, std::span<const float> logits, SteadyTime now) {
  account_.Drew(now);
  sample.Accept(logits);
}

size_t Sequence::tokens_before_next() const {
  size_t tokens = request_.plan.new_tokens.size() - prefilled_;
  for (const Sample& sample : samples_) {
    // The last one is the step of the next token.
    if (!sample.done() && sample.uncomputed() > 0) tokens += sample.uncomputed() - 1;
  }
  return tokens;
}

int64_t Sequence::own_rows() const {
  int64_t rows = prompt_.size();
  for (const Sample& sample : samples_) rows += sample.own().size();
  return rows;
}

// Every sample that goes on gets the prompt's keys and values, the last one without a copy.
Status Sequence::HandOutPrompt() {
  size_t left = open_samples();
  try {
    for (Sample& sample : samples_) {
      if (sample.done()) continue;
      sample.SetOwn(--left > 0 ? CopyOf(prompt_, *model_, capacity()) : std::move(prompt_));
    }
  } catch (const c10::Error& error) {
    return NoMemory(error);
  }
  return {};
}

// ---- results ----

std::vector<AnswerPart> Sequence::TakeParts() {
  std::vector<AnswerPart> parts;
  for (Sample& sample : samples_) {
    AnswerPart part = sample.TakePart();
    if (!part.tokens.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

Usage Sequence::TakeUsage(FinishReason interrupted) {
  for (const Sample& sample : samples_) {
    account_.SampleEnded(sample.done() ? sample.finish() : interrupted, sample.generated());
  }
  return account_.Take(interrupted);
}

}  // namespace promptcache
