#include "tools/fake_engine/fake_sequence.h"

#include <algorithm>
#include <utility>

#include "tools/fake_engine/mix.h"

namespace promptcache {

FakeSequence::FakeSequence(EngineRequest request, const Tokenizer& tokenizer,
                           std::span<const TokenId> words, SteadyTime admitted)
    : request_(std::move(request)),
      words_(words),
      account_(request_, admitted),
      units_(request_.plan.units.size()),
      missing_(units_.size()) {
  for (uint32_t i = 0; i < request_.options.samples; ++i) {
    samples_.push_back({AnswerDraft(request_, tokenizer, i)});
  }
}

size_t FakeSequence::open_samples() const {
  return static_cast<size_t>(std::count_if(
      samples_.begin(), samples_.end(), [](const Sample& sample) { return !sample.draft.done(); }));
}

size_t FakeSequence::slots() const { return std::max<size_t>(1, open_samples()); }

size_t FakeSequence::rows() const {
  size_t rows = request_.plan.new_tokens.size() * samples_.size();
  for (const Sample& sample : samples_) rows += sample.draft.generated();
  return rows;
}

void FakeSequence::SetUnit(size_t index, UnitArrival arrival) {
  account_.UnitCame(index, arrival.unit->bytes, std::move(arrival.usage), arrival.encoded_tokens);
  units_[index] = std::static_pointer_cast<const FakeUnit>(arrival.unit);
  --missing_;
}

void FakeSequence::Begin(SteadyTime now) {
  account_.Began(now);
  const uint64_t prompt = Mix(PromptState(), request_.options.seed);
  for (size_t i = 0; i < samples_.size(); ++i) {
    Sample& sample = samples_[i];
    sample.state = Mix(prompt, i);
    if (i >= request_.delivered.size()) continue;
    for (const TokenId id : request_.delivered[i]) {
      if (!sample.draft.done()) Add(sample, id);
    }
    (void)sample.draft.TakePart();  // was delivered
  }
}

// What a model's logits would depend on.
uint64_t FakeSequence::PromptState() const {
  const Plan& plan = request_.plan;
  uint64_t state = Mix(plan.new_tokens.size(), static_cast<uint64_t>(plan.next_position));
  for (size_t i = 0; i < plan.new_tokens.size(); ++i) {
    state = Mix(state, static_cast<uint64_t>(plan.new_tokens.ids[i]));
    state = Mix(state, static_cast<uint64_t>(plan.new_tokens.positions[i]));
  }
  for (const PlanSegment& segment : plan.segments) {
    state = Mix(state, units_[segment.unit]->hash.low);
    state = Mix(state, units_[segment.unit]->digest.Head());
    state = Mix(state, (uint64_t{segment.first_row} << 32) | segment.rows);
    state = Mix(state, static_cast<uint64_t>(segment.first_position));
  }
  return state;
}

void FakeSequence::Add(Sample& sample, TokenId id) {
  sample.state = Mix(sample.state, static_cast<uint64_t>(id));
  sample.draft.Add(id);
}

void FakeSequence::Step(SteadyTime now) {
  for (Sample& sample : samples_) {
    if (sample.draft.done()) continue;
    account_.Drew(now);
    Add(sample, words_[sample.state % words_.size()]);
  }
}

std::vector<AnswerPart> FakeSequence::TakeParts() {
  std::vector<AnswerPart> parts;
  for (Sample& sample : samples_) {
    AnswerPart part = sample.draft.TakePart();
    if (!part.tokens.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

Usage FakeSequence::TakeUsage(FinishReason interrupted) {
  for (const Sample& sample : samples_) {
    const AnswerDraft& draft = sample.draft;
    account_.SampleEnded(draft.done() ? draft.finish() : interrupted, draft.generated());
  }
  return account_.Take(interrupted);
}

}  // namespace promptcache
