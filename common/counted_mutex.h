// A mutex that says how long its callers have waited for it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace promptcache {

// As std::mutex; the clock is read only where somebody has to wait.
class CountedMutex {
 public:
  void lock() {
    if (mutex_.try_lock()) return;
    const auto start = std::chrono::steady_clock::now();
    mutex_.lock();
    waited_ += std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

  // Of all callers together since construction.
  std::chrono::nanoseconds waited() const { return std::chrono::nanoseconds(waited_.load()); }

 private:
  std::mutex mutex_;
  std::atomic<int64_t> waited_ = 0;
};

}  // namespace promptcache
