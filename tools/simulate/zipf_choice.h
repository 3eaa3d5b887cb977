// Choices by popularity.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace promptcache {

// Of `count` things the k-th is chosen in proportion to 1 / k^exponent. Immutable.
class ZipfChoice {
 public:
  // REQUIRES: count > 0.
  ZipfChoice(uint32_t count, double exponent) {
    double sum = 0;
    for (uint32_t k = 1; k <= count; ++k) {
      sum += std::pow(k, -exponent);
      sums_.push_back(sum);
    }
  }

  // By a number that was drawn from [0, 1).
  uint32_t At(double uniform) const {
    const auto found = std::upper_bound(sums_.begin(), sums_.end(), uniform * sums_.back());
    return static_cast<uint32_t>(std::min<size_t>(found - sums_.begin(), sums_.size() - 1));
  }

 private:
  std::vector<double> sums_;
};

}  // namespace promptcache
