// What happens to the units in a worker's memory, by their names.
#pragma once

#include <cstdint>
#include <vector>

#include "common/types.h"

namespace promptcache {

// How the set of keys differs from what it was before; a key is in one list at most.
struct UnitChanges {
  std::vector<UnitKey> added;
  std::vector<UnitKey> removed;
  bool empty() const { return added.empty() && removed.empty(); }
};

// Of a removal by name: how many units there were, and which of them someone still holds.
struct RemovedUnits {
  uint64_t units = 0;
  std::vector<UnitKey> held;
};

}  // namespace promptcache
