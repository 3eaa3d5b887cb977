// What waits for one thread, fairly between tenants. Internal to coordinator/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/status.h"

namespace promptcache {

// Tenants share by bytes: next is the one of whose bytes least were taken, its items in the order
// of their arrival. A tenant that comes back after it had nothing to ask for gets no more for that.
// A tenant's items may hold as many bytes as are left free for all, so that there is room for the
// next one however much others have brought. Not thread safe.
template <typename T>
class FairQueue {
 public:
  explicit FairQueue(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // kBusy when the tenant holds too much. Anything fits when nothing waits.
  Status Add(const std::string& tenant, T item, uint64_t bytes) {
    const auto found = lanes_.find(tenant);
    const uint64_t held = found == lanes_.end() ? 0 : found->second.bytes;
    const uint64_t free = max_bytes_ - std::min(max_bytes_, bytes_);
    if (bytes_ > 0 && held + bytes > free) {
      return Busy(std::to_string(bytes_) + " bytes wait, " + std::to_string(held) +
                  " of them of this tenant: too many for more; send it again later");
    }
    AddAgain(tenant, std::move(item), bytes);
    return {};
  }

  // What was here before and has to wait once more: its bytes are held in any case.
  void AddAgain(const std::string& tenant, T item, uint64_t bytes) {
    const auto [found, is_new] = lanes_.try_emplace(tenant);
    Lane& lane = found->second;
    if (is_new) lane.taken = start_;
    lane.items.emplace_back(std::move(item), bytes);
    lane.bytes += bytes;
    bytes_ += bytes;
  }

  // nullopt when nothing waits.
  std::optional<T> Take() {
    Lane* next = nullptr;
    for (auto& [tenant, lane] : lanes_) {
      if (!lane.items.empty() && (next == nullptr || lane.taken < next->taken)) next = &lane;
    }
    if (next == nullptr) return std::nullopt;
    auto [item, bytes] = std::move(next->items.front());
    next->items.pop_front();
    start_ = std::max(start_, next->taken);
    next->taken += bytes;
    next->bytes -= bytes;
    bytes_ -= bytes;
    std::erase_if(lanes_, [this](const auto& entry) {
      return entry.second.items.empty() && (bytes_ == 0 || entry.second.taken <= start_);
    });
    return std::move(item);
  }

 private:
  struct Lane {
    std::deque<std::pair<T, uint64_t>> items;
    uint64_t bytes = 0;  // of these
    uint64_t taken = 0;  // of its items so far, counted from where it began
  };

  const uint64_t max_bytes_;
  std::map<std::string, Lane> lanes_;  // idle ones too while more than start_ was taken of them
  uint64_t bytes_ = 0;
  uint64_t start_ = 0;  // what had been taken of the last one before
};

}  // namespace promptcache
