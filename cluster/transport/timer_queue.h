// Timers of a reactor: pure, without a clock or thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "cluster/transport/transport.h"
#include "common/clock.h"

namespace promptcache {

// Not thread safe.
class TimerQueue {
 public:
  TimerId Add(SteadyTime due, std::function<void()> function);
  void Cancel(TimerId timer);
  // Runs what is due at `now`, earliest first, equal times in the order they were added. Timers
  // added meanwhile wait for the next call.
  void RunDue(SteadyTime now);
  std::optional<SteadyTime> next() const;

 private:
  using Key = std::pair<SteadyTime, TimerId>;
  std::map<Key, std::function<void()>> timers_;
  std::map<TimerId, SteadyTime> due_;
  TimerId last_ = 0;
};

}  // namespace promptcache
