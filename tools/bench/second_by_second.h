// How a measurement went second by second, so that one bad moment of the machine shows as one.
#pragma once

#include <chrono>
#include <utility>

#include "common/clock.h"
#include "tools/bench/latency_histogram.h"
#include "tools/bench/series.h"

namespace promptcache {

// Not thread safe.
class SecondBySecond {
 public:
  explicit SecondBySecond(SteadyTime start) : end_(start + kSecond) {}

  // REQUIRES: `now` is not before that of an earlier call.
  void Add(SteadyTime now, double milliseconds) {
    for (; now >= end_; end_ += kSecond) {
      const LatencyHistogram times = std::exchange(times_, {});
      if (times.count() > 0) p99_.samples.push_back(times.Quantile(0.99));
    }
    times_.Add(milliseconds);
  }

  // Of each second with an event that is over, in order: the time that 99 % do not exceed.
  const Series& p99_ms() const { return p99_; }

 private:
  static constexpr std::chrono::seconds kSecond{1};

  SteadyTime end_;  // of the second that runs
  LatencyHistogram times_;
  Series p99_;
};

}  // namespace promptcache
