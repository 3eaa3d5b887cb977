// A clock that stands still until a test moves it.
#pragma once

#include <atomic>

#include "common/clock.h"

namespace promptcache::testing {

// Thread safe.
class FakeClock : public Clock {
 public:
  SteadyTime Now() const override {
    return SteadyTime(std::chrono::nanoseconds(nanoseconds_.load()));
  }
  uint64_t UnixMillis() const override {
    return 1'700'000'000'000 + static_cast<uint64_t>(nanoseconds_.load() / 1'000'000);
  }
  void Advance(std::chrono::nanoseconds by) { nanoseconds_ += by.count(); }

 private:
  std::atomic<int64_t> nanoseconds_{1'000'000'000};
};

}  // namespace promptcache::testing
