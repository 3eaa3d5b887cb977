#include "worker/engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "common/rng.h"

namespace promptcache {
namespace {

constexpr double kGreedyTemperature = 1e-5;
constexpr double kGreedyTopP = 1e-8;

TokenId ArgMax(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

struct Candidate {
  TokenId id = 0;
  double probability = 0;
};

bool LessLikely(const Candidate& a, const Candidate& b) {
  return a.probability != b.probability ? a.probability < b.probability : a.id > b.id;
}

// Hands out the tokens with their probabilities, which add up to 1: the likeliest first, equal ones
// by id. Few are asked for; to sort a whole vocabulary costs as much as a small model's step.
class Candidates {
 public:
  explicit Candidates(std::span<const float> logits) : heap_(logits.size()) {
    const double peak = *std::max_element(logits.begin(), logits.end());
    double total = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      heap_[i] = {static_cast<TokenId>(i), std::exp(logits[i] - peak)};
      total += heap_[i].probability;
    }
    for (Candidate& candidate : heap_) candidate.probability /= total;
    std::make_heap(heap_.begin(), heap_.end(), LessLikely);
  }

  bool empty() const { return heap_.empty(); }

  Candidate Next() {
    std::pop_heap(heap_.begin(), heap_.end(), LessLikely);
    const Candidate next = heap_.back();
    heap_.pop_back();
    return next;
  }

 private:
  std::vector<Candidate> heap_;
};

// The fewest likeliest tokens whose mass reaches top_p, at least one, and at most `most`.
std::vector<Candidate> Likeliest(Candidates& all, double top_p, size_t most) {
  std::vector<Candidate> kept = {all.Next()};
  double mass = kept.front().probability;
  while (mass < top_p && kept.size() < most && !all.empty()) {
    kept.push_back(all.Next());
    mass += kept.back().probability;
  }
  return kept;
}

}  // namespace

Sampler::Sampler(const GenerationOptions& options, std::span<const TokenId> history,
                 uint32_t sample)
    : options_(options), sample_(sample) {
  if (options_.repetition_penalty > 1) history_.insert(history.begin(), history.end());
}

bool Sampler::greedy() const {
  return options_.temperature < kGreedyTemperature || options_.top_p < kGreedyTopP;
}

TokenId Sampler::Next(std::span<const float> logits, uint32_t step) const {
  if (greedy() && history_.empty()) return ArgMax(logits);
  std::vector<float> processed(logits.begin(), logits.end());
  if (!greedy() && options_.temperature != 1) {
    for (float& logit : processed) logit = static_cast<float>(logit / options_.temperature);
  }
  Penalize(processed);
  return greedy() ? ArgMax(processed) : Draw(processed, step);
}

void Sampler::Accept(TokenId id) {
  if (options_.repetition_penalty > 1) history_.insert(id);
}

void Sampler::Penalize(std::span<float> logits) const {
  const auto penalty = static_cast<float>(options_.repetition_penalty);
  for (const TokenId id : history_) {
    if (static_cast<size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

TokenId Sampler::Draw(std::span<const float> logits, uint32_t step) const {
  const double place = UniformAt(options_.seed, sample_, step);  // [0, 1)
  Candidates all(logits);
  if (options_.top_p >= 1 && options_.top_k <= 0) {
    double left = place;
    while (true) {
      const Candidate candidate = all.Next();
      left -= candidate.probability;
      if (left < 0 || all.empty()) return candidate.id;
    }
  }
  const size_t most = options_.top_k > 0 ? static_cast<size_t>(options_.top_k) : logits.size();
  const std::vector<Candidate> kept = Likeliest(all, options_.top_p, most);
  double left = 0;
  for (const Candidate& candidate : kept) left += candidate.probability;
  left *= place;
  for (const Candidate& candidate : kept) {
    left -= candidate.probability;
    if (left < 0) return candidate.id;
  }
  return kept.back().id;
}

}  // namespace promptcache
