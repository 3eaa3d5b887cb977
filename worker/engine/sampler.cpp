#include "worker/engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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

// Every token with its probability.
std::vector<Candidate> Softmax(std::span<const float> logits) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  std::vector<Candidate> candidates(logits.size());
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates[i] = {static_cast<TokenId>(i), std::exp(logits[i] - peak)};
    total += candidates[i].probability;
  }
  for (Candidate& candidate : candidates) candidate.probability /= total;
  return candidates;
}

// The fewest likeliest tokens whose probabilities add up to `mass`, at least one and at most
// `most`; the likeliest first, equal ones by id. To sort a whole vocabulary costs as much as a
// small model's step.
std::vector<Candidate> Likeliest(std::span<const float> logits, double mass, size_t most) {
  std::vector<Candidate> heap = Softmax(logits), kept;
  std::make_heap(heap.begin(), heap.end(), LessLikely);
  double sum = 0;
  do {
    std::pop_heap(heap.begin(), heap.end(), LessLikely);
    kept.push_back(heap.back());
    heap.pop_back();
    sum += kept.back().probability;
  } while (sum < mass && kept.size() < most && !heap.empty());
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
  const bool limited = options_.top_p < 1 || options_.top_k > 0;
  const size_t most = options_.top_k > 0 ? static_cast<size_t>(options_.top_k) : logits.size();
  // Without a limit the tokens behind the place cannot be drawn.
  const std::vector<Candidate> kept = Likeliest(logits, limited ? options_.top_p : place, most);
  double total = 1;
  if (limited) {
    total = std::accumulate(kept.begin(), kept.end(), 0.0,
                            [](double sum, const Candidate& c) { return sum + c.probability; });
  }
  double left = place * total;
  for (const Candidate& candidate : kept) {
    left -= candidate.probability;
    if (left < 0) return candidate.id;
  }
  return kept.back().id;
}

}  // namespace promptcache
