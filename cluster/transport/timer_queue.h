// Functions to be called at a time. Pure; not thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "cluster/transport/transport.h"
#include "common/clock.h"

namespace promptcache {

class TimerQueue {
 public:
  TimerId Add(SteadyTime when, std::function<void()> function) {
    const TimerId id = ++last_id_;
    queue_.emplace(std::pair(when, id), std::move(function));
    when_.emplace(id, when);
    return id;
  }
  // Unknown ids (fired, cancelled) are ignored.
  void Cancel(TimerId id) {
    const auto it = when_.find(id);
    if (it == when_.end()) return;
    queue_.erase(std::pair(it->second, id));
    when_.erase(it);
  }
  std::optional<SteadyTime> Next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first.first;
  }
  // The first function that is due at `now` and was added before `before`, in order of time, then
  // of Add.
  std::optional<std::function<void()>> PopDue(SteadyTime now, TimerId before) {
    const auto it = queue_.begin();
    if (it == queue_.end() || it->first.first > now || it->first.second >= before) {
      return std::nullopt;
    }
    std::function<void()> function = std::move(it->second);
    when_.erase(it->first.second);
    queue_.erase(it);
    return function;
  }
  // The id that the next Add returns.
  TimerId next_id() const { return last_id_ + 1; }

 private:
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>> queue_;
  std::unordered_map<TimerId, SteadyTime> when_;
  TimerId last_id_ = 0;
};

}  // namespace promptcache
