// How long this process was kept from running: what its clients saw late may have been late here.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "common/clock.h"

namespace promptcache::chaos {

class StallWatch {
 public:
  // The longest so far.
  std::chrono::milliseconds longest() const { return std::chrono::milliseconds(longest_.load()); }

 private:
  void Watch(const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kNap{20};
    while (!stop.stop_requested()) {
      const SteadyTime due = SystemClock().Now() + kNap;
      std::this_thread::sleep_until(due);
      const auto late = SystemClock().Now() - due;
      longest_ = std::max(longest_.load(),
                          std::chrono::duration_cast<std::chrono::milliseconds>(late).count());
    }
  }

  std::atomic<int64_t> longest_{0};
  std::jthread thread_{[this](const std::stop_token& stop) { Watch(stop); }};
};

}  // namespace promptcache::chaos
