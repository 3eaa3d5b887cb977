// Time that goes on when there is something to do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "common/clock.h"
#include "tests/chaos/dice.h"

namespace promptcache::chaos {

// Events at one time run in the order in which they were added.
class EventQueue : public Clock {
 public:
  SteadyTime now() const { return now_; }
  SteadyTime Now() const override { return now_; }
  uint64_t UnixMillis() const override { return 0; }
  void At(SteadyTime time, std::function<void()> event) {
    events_.emplace(std::pair(std::max(time, now_), ++last_), std::move(event));
  }
  void After(milliseconds delay, std::function<void()> event) {
    At(now_ + delay, std::move(event));
  }
  void RunUntil(SteadyTime end) {
    while (!events_.empty() && events_.begin()->first.first <= end) {
      auto next = events_.extract(events_.begin());
      now_ = next.key().first;
      next.mapped()();
    }
    now_ = end;
  }

 private:
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
  uint64_t last_ = 0;
  std::map<std::pair<SteadyTime, uint64_t>, std::function<void()>> events_;
};

}  // namespace promptcache::chaos
