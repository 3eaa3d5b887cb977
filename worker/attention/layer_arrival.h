// Which layers of a unit are in memory while the others are still being loaded.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "common/clock.h"
#include "common/status.h"

namespace promptcache {

// Thread safe. Layers come in order, each verified before it counts.
class LayerArrival {
 public:
  // One layer more may be read: what was written to it before is seen by who waited for it.
  void Add() {
    {
      std::lock_guard lock(mutex_);
      ++count_;
    }
    changed_.notify_all();
  }

  // The layers that are missing will never come. REQUIRES: !why.ok().
  void Fail(Status why) {
    {
      std::lock_guard lock(mutex_);
      failure_ = std::move(why);
    }
    changed_.notify_all();
  }

  // Waits until layers [0, count) may be read, for at most `patience`, which shrinks by the time
  // that took. The failure when they never will be; kUnavailable when they are late.
  Status Wait(int64_t count, SteadyTime::duration& patience) const {
    std::unique_lock lock(mutex_);
    if (count_ >= count) return {};
    const SteadyTime start = SystemClock().Now();
    const bool ended = changed_.wait_until(lock, start + patience,
                                           [&] { return count_ >= count || !failure_.ok(); });
    patience -= SystemClock().Now() - start;
    if (count_ >= count) return {};
    if (!ended) return Unavailable("layer " + std::to_string(count - 1) + " of a unit is late");
    return failure_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Guarded by mutex_.
  int64_t count_ = 0;
  Status failure_;
};

}  // namespace promptcache
