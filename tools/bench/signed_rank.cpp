#include "tools/bench/signed_rank.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace promptcache {

SignedRank TestSignedRank(std::span<const double> differences) {
  std::vector<double> sorted;
  for (const double difference : differences) {
    if (difference != 0) sorted.push_back(difference);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](double a, double b) { return std::abs(a) < std::abs(b); });
  const auto n = static_cast<double>(sorted.size());
  SignedRank result{.pairs = static_cast<uint32_t>(sorted.size())};
  double ties = 0;  // sum of t^3 - t over groups of t equal ones
  for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    while (end < sorted.size() && std::abs(sorted[end]) == std::abs(sorted[begin])) ++end;
    const auto count = static_cast<double>(end - begin);
    ties += count * count * count - count;
    const double rank = (static_cast<double>(begin + end) + 1) / 2;  // the mean of theirs
    for (size_t i = begin; i < end; ++i) result.positive_sum += sorted[i] > 0 ? rank : 0;
  }
  const double variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
  if (variance <= 0) return result;
  const double z = (result.positive_sum - n * (n + 1) / 4) / std::sqrt(variance);
  result.p = std::erfc(std::abs(z) / std::sqrt(2.0));
  return result;
}

}  // namespace promptcache
