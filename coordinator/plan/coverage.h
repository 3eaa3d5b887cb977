// Where the text of imported modules comes from. Internal to coordinator/plan.
#pragma once

#include <span>
#include <vector>

#include "coordinator/layout/layout.h"

namespace promptcache {

// An imported run and the unit whose rows it is read from.
struct CoveredRun {
  const LayoutRun* run = nullptr;
  int32_t container = 0;
  int32_t unit = kNone;    // index in Layout::units; none: computed
  uint32_t first_row = 0;  // of the unit
  Position local = 0;      // of its first token in the unit's recipe
};

// One entry for each run of the containers, in their order. A scaffold set all of whose members are
// among them is read instead of its members' units: the sets with most tokens first, then in
// document order; no run is replaced twice.
std::vector<CoveredRun> CoverRuns(const Layout& layout, std::span<const int32_t> containers);

}  // namespace promptcache
