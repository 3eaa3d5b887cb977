#include "worker/engine/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace promptcache {
namespace {

// Of all tokens together: what a logit less this is a log-probability.
double LogSumExp(std::span<const float> logits) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - peak);
  return peak + std::log(sum);
}

// Indices of the largest logits, in descending order; equal ones by index.
std::vector<TokenId> Likeliest(std::span<const float> logits, uint32_t count) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto end = ids.begin() + std::min<ptrdiff_t>(count, std::ssize(ids));
  std::partial_sort(ids.begin(), end, ids.end(), [&](TokenId a, TokenId b) {
    const float left = logits[static_cast<size_t>(a)], right = logits[static_cast<size_t>(b)];
    return left > right || (left == right && a < b);
  });
  ids.erase(end, ids.end());
  return ids;
}

}  // namespace

TokenLogprobs LogprobsOf(std::span<const float> logits, TokenId chosen, uint32_t count) {
  constexpr double kLowest = std::numeric_limits<float>::lowest();
  const double total = LogSumExp(logits);
  const auto of = [&](TokenId id) -> TokenLogprob {
    const double logprob = logits[static_cast<size_t>(id)] - total;
    return {.id = id, .logprob = logprob > kLowest ? logprob : kLowest};
  };
  TokenLogprobs out{.chosen = of(chosen)};
  for (const TokenId id : Likeliest(logits, count)) out.top.push_back(of(id));
  return out;
}

}  // namespace promptcache
