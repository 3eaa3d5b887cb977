#include "coordinator/warm_plan.h"

#include <iterator>
#include <utility>

#include "common/log.h"

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

Result<SchemaPtr> FindWarm(const SchemaCatalog& catalog, const std::string& name) {
  const size_t at = name.find('@');
  const std::string version = at == std::string::npos ? "" : name.substr(at + 1);
  return catalog.Find({.sees_all = true}, name.substr(0, at), version == "latest" ? "" : version);
}

std::vector<PlannedPrompt> WarmSet(const SchemaCatalog& catalog,
                                   const std::vector<std::string>& names, size_t max_units) {
  std::vector<PlannedPrompt> prompts;
  for (const std::string& name : names) {
    const auto schema = FindWarm(catalog, name);
    if (!schema.ok()) {
      Log(LogLevel::kWarning, "nothing to warm a worker with",
          {{"schema", name}, {"reason", schema.status().message()}});
      continue;
    }
    auto more = WarmPlans(*schema, max_units);
    std::move(more.begin(), more.end(), std::back_inserter(prompts));
  }
  return prompts;
}

}  // namespace promptcache
