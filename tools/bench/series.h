// Repeated measurements of one thing.
#pragma once

#include <vector>

namespace promptcache {

// In the order they were measured; the owner says in what unit.
struct Series {
  std::vector<double> samples;

  // All 0 without samples.
  double median() const;
  double mean() const;
  double p99() const;  // the smallest sample that 99 of 100 do not exceed
  double minimum() const;
  double maximum() const;
};

}  // namespace promptcache
