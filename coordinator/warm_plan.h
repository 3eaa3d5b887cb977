// What brings all units of a schema into a worker's memory. Internal to coordinator/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/registry/registry.h"
#include "coordinator/schema_catalog.h"
#include "coordinator/session/request.h"

namespace promptcache {

// Prompts that only encode: each names at most `max_units` of the schema's units. Pure.
std::vector<PlannedPrompt> WarmPlans(const SchemaPtr& schema, size_t max_units);

// A schema of coordinator.warm: NAME, NAME@latest or NAME@VERSION. kNotFound as SchemaCatalog.
Result<SchemaPtr> FindWarm(const SchemaCatalog& catalog, const std::string& name);
// What a worker must hold before it gets requests. A schema that is not registered yet is none, and
// is logged.
std::vector<PlannedPrompt> WarmSet(const SchemaCatalog& catalog,
                                   const std::vector<std::string>& names, size_t max_units);

}  // namespace promptcache
