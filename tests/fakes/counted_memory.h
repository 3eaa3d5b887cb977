// Counts what this program allocates with new.
#pragma once

#include <cstddef>

namespace promptcache::testing {

// Starts a new peak at what is allocated now.
void ResetPeak();
// The most that was allocated at once since then, without what was allocated before it.
size_t PeakBytes();

}  // namespace promptcache::testing
