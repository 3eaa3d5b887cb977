// Log-probabilities from logits. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "common/types.h"

namespace promptcache {

// Of `chosen` and of the `count` likeliest tokens (fewer when the vocabulary is smaller), without
// their bytes: log-softmax in double precision. Infinities and NaN become the lowest float, so that
// every number is finite. REQUIRES: `chosen` is an index of logits [vocabulary].
TokenLogprobs LogprobsOf(std::span<const float> logits, TokenId chosen, uint32_t count);

}  // namespace promptcache
