#include "common/metrics/metric.h"

#include <algorithm>

namespace promptcache {

void Histogram::Observe(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<size_t>(bound - bounds_.begin())];
  ++count_;
  sum_ += value;
}

}  // namespace promptcache
