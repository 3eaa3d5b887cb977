// Units that one worker is asked for so often that another should have them too. Pure state.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "cluster/transport/transport.h"
#include "common/clock.h"
#include "common/types.h"

namespace promptcache {

// Counts by windows of ten seconds. Not thread safe.
class UnitDemand {
 public:
  // `threshold` of requests in a window; 0: nothing is ever wanted.
  explicit UnitDemand(uint64_t threshold) : threshold_(threshold) {}

  // A worker is given a request for these units. Gives the indices of those that have passed the
  // threshold with it: each at most once in a window.
  std::vector<uint32_t> Count(PeerId worker, std::span<const UnitKey> units, SteadyTime now);

 private:
  // What is asked for beyond it is not counted in this window.
  static constexpr size_t kMaxCounted = 1 << 18;

  struct WorkerUnit {
    PeerId worker = 0;
    UnitKey unit;
    bool operator==(const WorkerUnit&) const = default;
  };
  struct Hash {
    size_t operator()(const WorkerUnit& one) const {
      return std::hash<UnitKey>()(one.unit) ^ (one.worker * 0x9E3779B97F4A7C15);
    }
  };

  const uint64_t threshold_;
  SteadyTime window_ends_;
  std::unordered_map<WorkerUnit, uint64_t, Hash> counts_;
};

}  // namespace promptcache
