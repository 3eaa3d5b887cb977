#include "coordinator/warm_plan.h"

namespace promptcache {

std::vector<PlannedPrompt> WarmPlans(const SchemaPtr& schema, size_t max_units) {
  std::vector<PlannedPrompt> prompts;
  for (const LayoutUnit& unit : schema->layout.units) {
    if (prompts.empty() || prompts.back().plan.units.size() >= max_units) {
      prompts.push_back({.schema = schema->name,
                         .version = schema->version,
                         .tenant = schema->tenant,
                         .domain = schema->domain,
                         .plan = {},
                         .keep_alive = schema});
    }
    prompts.back().plan.units.push_back({unit.digest, unit.path, unit.tokens, unit.lifetime});
  }
  return prompts;
}

}  // namespace promptcache
