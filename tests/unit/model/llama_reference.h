// A Llama in double precision, written from the formulas: one token at a time, no batching, no
// cache of units, rotary pairs where the file has them. The judge of everything that is fast.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "common/types.h"
#include "tests/unit/model/tiny_llama.h"

namespace promptcache::testing {

// Whether token `query` attends to token `key` (both count from 0). Asked for key < query only; a
// token always sees itself.
using Sees = std::function<bool(size_t query, size_t key)>;

// By how many positions `key` stands further than `tokens` say, when `query` looks at it.
using Moved = std::function<Position(size_t query, size_t key)>;

// Logits [vocabulary] of the last token.
std::vector<double> ReferenceLogits(
    const TinyLlama& llama, const Tokens& tokens,
    const Sees& sees = [](size_t, size_t) { return true; },
    const Moved& moved = [](size_t, size_t) { return 0; });

// `count` greedy tokens at positions from `next` on; each of them sees every token.
std::vector<TokenId> ReferenceGreedy(
    const TinyLlama& llama, Tokens tokens, Position next, size_t count,
    const Sees& sees = [](size_t, size_t) { return true; });

// max |a - b| / max |b|.
double RelativeDifference(std::span<const float> a, std::span<const double> b);
double RelativeDifference(std::span<const float> a, std::span<const float> b);

}  // namespace promptcache::testing
