// A limit shared by holders of whom none can take it from the others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/budget.h"

namespace promptcache {

// Each holder may have as much as it then leaves free: one alone half of the limit, many together
// never all. Anything up to the limit fits when nobody has anything. Belongs to one thread; the
// parts may go back on any, also when the budget is gone.
template <typename Holder = std::string>
class FairBudget {
 public:
  explicit FairBudget(uint64_t limit) : limit_(limit), all_(std::make_shared<Budget>(limit)) {}

  // Null when the holder would have more than it leaves free.
  Budget::Part Take(const Holder& holder, uint64_t amount) {
    if (!Fits(holder, amount)) return nullptr;
    std::shared_ptr<Budget>& its = by_holder_[holder];
    if (its == nullptr) its = std::make_shared<Budget>(limit_);
    auto parts = std::make_shared<const Parts>(its->Take(amount), all_->Take(amount));
    Tidy();
    return parts;
  }

  // Whether Take would give it so much.
  bool Fits(const Holder& holder, uint64_t amount) const {
    const uint64_t free = limit_ - all_->used();
    if (amount > free) return false;
    return free == limit_ || used(holder) + amount <= free - amount;
  }

  // Of all, or by one.
  uint64_t used() const { return all_->used(); }
  uint64_t used(const Holder& holder) const {
    const auto found = by_holder_.find(holder);
    return found == by_holder_.end() ? 0 : found->second->used();
  }

 private:
  using Parts = std::pair<Budget::Part, Budget::Part>;

  // Forgets holders that have nothing, when there are twice as many as were left the last time.
  void Tidy() {
    if (by_holder_.size() < tidy_at_) return;
    std::erase_if(by_holder_, [](const auto& entry) { return entry.second->used() == 0; });
    tidy_at_ = std::max(kTidyAt, 2 * by_holder_.size());
  }

  static constexpr size_t kTidyAt = 64;

  const uint64_t limit_;
  const std::shared_ptr<Budget> all_;
  // One that was away and comes again still has what it had.
  std::map<Holder, std::shared_ptr<Budget>> by_holder_;
  size_t tidy_at_ = kTidyAt;
};

}  // namespace promptcache
