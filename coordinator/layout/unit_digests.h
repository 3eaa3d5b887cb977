// The units of containers with their digests, all in one walk. Internal to coordinator/layout.
#pragma once

#include "coordinator/layout/layout.h"

namespace promptcache {

// Appends the unit of each cached container that has text, and sets its runs' places in it. Takes
// time in the layout's tokens, not in contexts: units behind one context hash it once.
// REQUIRES: containers are laid out; there are no units yet.
void MakeContainerUnits(Layout& layout);

}  // namespace promptcache
