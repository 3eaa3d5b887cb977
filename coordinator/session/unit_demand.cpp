#include "coordinator/session/unit_demand.h"

namespace promptcache {
namespace {

constexpr std::chrono::seconds kWindow{10};

}  // namespace

std::vector<uint32_t> UnitDemand::Count(PeerId worker, std::span<const UnitKey> units,
                                        SteadyTime now) {
  std::vector<uint32_t> wanted;
  if (threshold_ == 0) return wanted;
  if (now >= window_ends_) {
    counts_.clear();
    window_ends_ = now + kWindow;
  }
  for (uint32_t i = 0; i < units.size(); ++i) {
    const WorkerUnit one{worker, units[i]};
    const auto found = counts_.find(one);
    if (found == counts_.end() && counts_.size() >= kMaxCounted) continue;
    const uint64_t count = found == counts_.end() ? (counts_[one] = 1) : ++found->second;
    if (count == threshold_ + 1) wanted.push_back(i);
  }
  return wanted;
}

}  // namespace promptcache
