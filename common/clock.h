// Time as a dependency, so that tests decide what time it is (tests/fakes/fake_clock.h).
#pragma once

#include <chrono>
#include <cstdint>

namespace promptcache {

using SteadyTime = std::chrono::steady_clock::time_point;

// Thread safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;       // for durations and deadlines
  virtual uint64_t UnixMillis() const = 0;  // for people
};

// The machine's clocks. Lives forever.
const Clock& SystemClock();

inline double MillisecondsBetween(SteadyTime from, SteadyTime to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

}  // namespace promptcache
