// Repair `linked`: the first tokens of runs are computed again. Internal to coordinator/plan.
#pragma once

#include <vector>

#include "coordinator/plan/piece.h"

namespace promptcache {

// Turns the first `linked_tokens` tokens of every run of cached tokens into computed ones, all of
// the shorter runs. A run is what will be one segment. The lowest run stays when it has seen what
// the plan has in front of it, which is nothing: its unit has no context, it begins with the unit's
// first row, and no computed token stands before it. So with as many tokens as the longest run has,
// the plan computes what it would without reuse. REQUIRES: pieces ascend; none is empty.
std::vector<PlanPiece> LinkRuns(const Layout& layout, const std::vector<PlanPiece>& pieces,
                                uint32_t linked_tokens);

}  // namespace promptcache
