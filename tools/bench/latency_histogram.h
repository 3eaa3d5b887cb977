// Times of any number of events in memory of a fixed size.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace promptcache {

// Buckets that are 1 % wide from a microsecond to some minutes; what is outside counts as the
// nearest. Not thread safe.
class LatencyHistogram {
 public:
  void Add(double milliseconds) {
    ++counts_[BucketOf(milliseconds)];
    ++count_;
    if (milliseconds > maximum_) maximum_ = milliseconds;
  }
  uint64_t count() const { return count_; }
  double maximum() const { return maximum_; }

  // The smallest time, to 1 %, that so large a share of the events does not exceed; 0 without any.
  double Quantile(double share) const {
    const double wanted = share * static_cast<double>(count_);
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > 0 && static_cast<double>(seen) >= wanted) {
        return std::min(UpperEndOf(i), maximum_);
      }
    }
    return 0;
  }

 private:
  static constexpr size_t kBuckets = 2048;
  static constexpr double kLeastMs = 1e-3;
  static constexpr double kWidth = 1.01;

  static size_t BucketOf(double milliseconds) {
    if (!(milliseconds > kLeastMs)) return 0;
    const double bucket = std::ceil(std::log(milliseconds / kLeastMs) / std::log(kWidth));
    return bucket >= kBuckets ? kBuckets - 1 : static_cast<size_t>(bucket);
  }
  static double UpperEndOf(size_t bucket) {
    return kLeastMs * std::pow(kWidth, static_cast<double>(bucket));
  }

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  double maximum_ = 0;
};

}  // namespace promptcache
