// Where texts between references stand. Internal to coordinator/plan.
#pragma once

#include <span>
#include <vector>

#include "coordinator/layout/layout.h"
#include "coordinator/plan/selection.h"

namespace promptcache {

// A stretch of free schema positions.
struct Gap {
  Position begin = 0;
  Position end = 0;
  Position size() const { return end - begin; }
};

// What imported text and slots leave free. Refers to its arguments.
class Gaps {
 public:
  Gaps(const Layout& layout, const Selection& selection);

  // Behind the last imported token or slot of a top-level reference's subtree, skipping own text of
  // its ancestors, up to the next imported reference or own text.
  Gap Behind(size_t reference) const;

 private:
  Position BeginBehind(size_t reference) const;

  const Layout& layout_;
  const Selection& selection_;
  std::vector<Gap> occupied_;  // ascending; they do not overlap, so that their ends ascend too
};

}  // namespace promptcache
