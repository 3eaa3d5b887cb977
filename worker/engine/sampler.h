// The next token from logits. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "common/types.h"

namespace promptcache {

// Draws by (seed, sample, step) with a counter-based generator: the same request gives the same
// answer whatever else runs. Order of the processors: temperature, repetition penalty, top-p, top-k
// (reference implementation, generation loop). Greedy when temperature < 1e-5 or top_p < 1e-8; ties
// go to the smaller id.
class Sampler {
 public:
  // `history`: the ids of every token of the plan, cached or not; may be empty without a repetition
  // penalty. `sample`: which of the request's.
  Sampler(const GenerationOptions& options, std::span<const TokenId> history, uint32_t sample);

  // REQUIRES: `logits` [vocabulary] is not empty.
  TokenId Next(std::span<const float> logits, uint32_t step) const;
  // The chosen token joins the history.
  void Accept(TokenId id);

 private:
  bool greedy() const;
  void Penalize(std::span<float> logits) const;
  TokenId Draw(std::span<const float> logits, uint32_t step) const;

  const GenerationOptions options_;
  const uint32_t sample_;
  std::unordered_set<TokenId> history_;
};

}  // namespace promptcache
