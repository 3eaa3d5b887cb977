// What brings all units of a schema into a worker's memory. Internal to coordinator/.
#pragma once

#include <cstdint>
#include <vector>

#include "coordinator/registry/registry.h"
#include "coordinator/session/request.h"

namespace promptcache {

// Prompts that only encode: each names at most `max_units` of the schema's units. Pure.
std::vector<PlannedPrompt> WarmPlans(const SchemaPtr& schema, size_t max_units);

}  // namespace promptcache
