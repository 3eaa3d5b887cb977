// Which rows of which units a step reads, and from which of its tokens on. Pure.
#pragma once

#include <span>
#include <vector>

#include "common/types.h"
#include "worker/kv/unit.h"
#include "worker/model/model.h"

namespace promptcache {

// Ranges for a step whose tokens stand at `positions` (ascending). Rows that no token of the step
// sees are left out; neighbouring rows of a unit that become visible at the same token are one
// range. `units` are those of the plan, by index, and outlive the result.
std::vector<KeyRange> BuildKeyRanges(const Plan& plan, std::span<const UnitPtr> units,
                                     std::span<const Position> positions);

}  // namespace promptcache
