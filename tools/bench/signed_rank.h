// Whether pairs of measurements differ, without a guess at how they are distributed.
#pragma once

#include <cstdint>
#include <span>

namespace promptcache {

struct SignedRank {
  uint32_t pairs = 0;       // whose two halves differ
  double positive_sum = 0;  // of the ranks of positive differences
  // How likely so uneven ranks are when both signs are equally likely; two-sided. 1 without pairs.
  double p = 1;
};

// Wilcoxon's signed-rank test by the normal approximation, with the variance that ties leave, and
// without a correction for continuity: M. Hollander, D. A. Wolfe, E. Chicken, Nonparametric
// Statistical Methods, 3rd edition, section 3.1. Differences of 0 are left out. For ten pairs or
// more; below, p is rough. Pure.
SignedRank TestSignedRank(std::span<const double> differences);

}  // namespace promptcache
