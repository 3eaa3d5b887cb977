#include "cachestore/disk/generations.h"

#include <algorithm>

namespace promptcache::internal {

Generation Generations::Next() {
  std::lock_guard lock(mutex_);
  return HoldLocked(++last_);
}

Generation Generations::Hold(uint64_t number) {
  std::lock_guard lock(mutex_);
  last_ = std::max(last_, number);
  return HoldLocked(number);
}

bool Generations::IsHeld(uint64_t number) const {
  std::lock_guard lock(mutex_);
  return held_.contains(number);
}

void Generations::StartAfter(uint64_t number) {
  std::lock_guard lock(mutex_);
  last_ = std::max(last_, number);
}

Generation Generations::HoldLocked(uint64_t number) {
  held_.insert(number);
  return {new uint64_t(number), [self = shared_from_this()](const uint64_t* held) {
            {
              std::lock_guard lock(self->mutex_);
              self->held_.erase(*held);
            }
            delete held;
          }};
}

}  // namespace promptcache::internal
