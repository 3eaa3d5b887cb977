// One envelope of every message type with every field set to something other than its default.
#pragma once

#include <vector>

#include "cluster/wire/messages.h"

namespace promptcache::testing {

// In the order of the Message variant. The golden files hold their bytes: changing a value here
// means regenerating them.
std::vector<Envelope> SampleEnvelopes();

}  // namespace promptcache::testing
