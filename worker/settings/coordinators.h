// What worker.coordinator_endpoints may be, but for each endpoint by itself.
#pragma once

#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

// kInvalidArgument when there is none, or one twice: a worker greets each of its coordinators under
// its one name.
Status CheckCoordinators(const std::vector<std::string>& endpoints);

}  // namespace promptcache
