#include "cluster/transport/timer_queue.h"

namespace promptcache {

TimerId TimerQueue::Add(SteadyTime due, std::function<void()> function) {
  const TimerId timer = ++last_;
  timers_.emplace(Key{due, timer}, std::move(function));
  due_.emplace(timer, due);
  return timer;
}

void TimerQueue::Cancel(TimerId timer) {
  const auto found = due_.find(timer);
  if (found == due_.end()) return;
  timers_.erase({found->second, timer});
  due_.erase(found);
}

void TimerQueue::RunDue(SteadyTime now) {
  const TimerId newest = last_;
  auto next = timers_.begin();
  while (next != timers_.end() && next->first.first <= now) {
    if (next->first.second > newest) {
      ++next;
      continue;
    }
    const std::function<void()> function = std::move(next->second);
    due_.erase(next->first.second);
    timers_.erase(next);
    function();
    next = timers_.begin();  // the function may have changed the queue
  }
}

std::optional<SteadyTime> TimerQueue::next() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first.first;
}

}  // namespace promptcache
