// Functions that other threads want run on the engine's.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "common/clock.h"

namespace promptcache {

// Post is thread safe; the rest belongs to the engine thread.
class Inbox {
 public:
  void Post(std::function<void()> function) {
    {
      std::lock_guard lock(mutex_);
      posted_.push_back(std::move(function));
    }
    ready_.notify_one();
  }

  // Runs what was posted, in order.
  void Run() { RunBatch(std::unique_lock(mutex_)); }

  // The same, after waiting for something to be posted or for `until`.
  void WaitAndRun(SteadyTime until) {
    std::unique_lock lock(mutex_);
    if (until > SystemClock().Now()) {
      ready_.wait_until(lock, until, [this] { return !posted_.empty(); });
    }
    RunBatch(std::move(lock));
  }

 private:
  void RunBatch(std::unique_lock<std::mutex> lock) {
    std::vector<std::function<void()>> batch;
    batch.swap(posted_);
    lock.unlock();
    for (auto& function : batch) function();
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
};

}  // namespace promptcache
