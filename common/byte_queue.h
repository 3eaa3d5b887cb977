// A queue between threads that is bounded by the bytes it holds.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "common/status.h"

namespace promptcache {

struct ByteQueueLimits {
  uint64_t warn_bytes = 0;  // crossing it upward is counted
  uint64_t max_bytes = 0;   // a push that would pass it is refused
};

struct ByteQueueStats {
  uint64_t items = 0;
  uint64_t bytes = 0;
  uint64_t refused = 0;   // pushes turned away since construction
  uint64_t warnings = 0;  // times warn_bytes was crossed upward
};

// Thread safe.
template <typename T>
class ByteQueue {
 public:
  explicit ByteQueue(ByteQueueLimits limits) : limits_(limits) {}

  // kBusy when full, kCancelled when closed; the item is untouched then. An item larger than
  // max_bytes is accepted when the queue is empty, so that nothing is refused forever.
  Status TryPush(T&& item, uint64_t bytes) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return Cancelled("the queue is closed");
      if (!items_.empty() && bytes_ + bytes > limits_.max_bytes) {
        ++refused_;
        return Busy("a queue is full: " + std::to_string(bytes_) + " of " +
                    std::to_string(limits_.max_bytes) + " bytes");
      }
      const bool was_below = bytes_ <= limits_.warn_bytes;
      bytes_ += bytes;
      if (was_below && bytes_ > limits_.warn_bytes) ++warnings_;
      items_.emplace_back(std::move(item), bytes);
    }
    ready_.notify_one();
    return {};
  }

  // Waits for an item. nullopt when the queue is closed and empty.
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !items_.empty(); });
    return Take();
  }

  // nullopt when there is nothing now.
  std::optional<T> TryPop() {
    std::lock_guard lock(mutex_);
    return Take();
  }

  // No more pushes; Pop drains what is left.
  void Close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

  ByteQueueStats stats() const {
    std::lock_guard lock(mutex_);
    return {items_.size(), bytes_, refused_, warnings_};
  }

 private:
  // REQUIRES: mutex_ is held.
  std::optional<T> Take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front().first));
    bytes_ -= items_.front().second;
    items_.pop_front();
    return item;
  }

  const ByteQueueLimits limits_;

  mutable std::mutex mutex_;
  std::condition_variable ready_;
  // Guarded by mutex_.
  std::deque<std::pair<T, uint64_t>> items_;
  uint64_t bytes_ = 0;
  uint64_t refused_ = 0;
  uint64_t warnings_ = 0;
  bool closed_ = false;
};

}  // namespace promptcache
