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

// Every token with its probability, the likeliest first; equal ones by id.
std::vector<Candidate> Softmax(std::span<const float> logits) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  std::vector<Candidate> candidates(logits.size());
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates[i] = {static_cast<TokenId>(i), std::exp(logits[i] - peak)};
    total += candidates[i].probability;
  }
  for (Candidate& candidate : candidates) candidate.probability /= total;
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.probability > b.probability; });
  return candidates;
}

// Keeps the fewest likeliest tokens whose mass reaches top_p, at least one.
void KeepTopP(double top_p, std::vector<Candidate>& candidates) {
  double mass = 0;
  size_t keep = 0;
  while (keep < candidates.size() && mass < top_p) mass += candidates[keep++].probability;
  candidates.resize(std::max<size_t>(1, keep));
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
  std::vector<Candidate> candidates = Softmax(logits);
  if (options_.top_p < 1) KeepTopP(options_.top_p, candidates);
  if (options_.top_k > 0 && candidates.size() > static_cast<size_t>(options_.top_k)) {
    candidates.resize(static_cast<size_t>(options_.top_k));
  }
  const double total =
      std::accumulate(candidates.begin(), candidates.end(), 0.0,
                      [](double sum, const Candidate& c) { return sum + c.probability; });
  double left = UniformAt(options_.seed, sample_, step) * total;
  for (const Candidate& candidate : candidates) {
    left -= candidate.probability;
    if (left < 0) return candidate.id;
  }
  return candidates.back().id;
}

}  // namespace promptcache
