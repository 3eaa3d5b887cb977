// A limit shared by everything that holds a part of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace promptcache {

// Thread safe. Held by shared_ptr: parts keep it alive.
class Budget : public std::enable_shared_from_this<Budget> {
 public:
  // A part; it goes back when the last copy of its pointer goes.
  using Part = std::shared_ptr<const void>;

  explicit Budget(uint64_t limit) : limit_(limit) {}

  // Null when less than `amount` is left.
  Part Take(uint64_t amount) {
    uint64_t used = used_.load();
    do {
      if (amount > limit_ - used) return nullptr;
    } while (!used_.compare_exchange_weak(used, used + amount));
    return {this, [self = shared_from_this(), amount](const void*) { self->used_ -= amount; }};
  }

  uint64_t used() const { return used_; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_ = 0;
};

}  // namespace promptcache
