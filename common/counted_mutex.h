// A mutex, to be held alone or shared, that says how long its callers have waited for it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <shared_mutex>

namespace promptcache {

// As std::shared_mutex; the clock is read only where somebody has to wait.
class CountedSharedMutex {
 public:
  void lock() {
    if (!mutex_.try_lock()) Wait([this] { mutex_.lock(); });
  }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

  void lock_shared() {
    if (!mutex_.try_lock_shared()) Wait([this] { mutex_.lock_shared(); });
  }
  bool try_lock_shared() { return mutex_.try_lock_shared(); }
  void unlock_shared() { mutex_.unlock_shared(); }

  // Of all callers together since construction.
  std::chrono::nanoseconds waited() const { return std::chrono::nanoseconds(waited_.load()); }

 private:
  template <typename Lock>
  void Wait(Lock lock) {
    const auto start = std::chrono::steady_clock::now();
    lock();
    waited_ += std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  }

  std::shared_mutex mutex_;
  std::atomic<int64_t> waited_ = 0;
};

}  // namespace promptcache
