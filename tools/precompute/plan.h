// What is to be encoded for each model, known without its weights.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/precompute/manifest.h"
#include "tools/precompute/work_list.h"

namespace promptcache {

struct ModelPlan {
  ManifestModel model;
  UnitFormat format;
  std::vector<CompiledSchema> schemas;
  std::vector<WorkUnit> units;  // of the shard
  std::vector<bool> stored;     // of each unit
};

struct PlanOptions {
  std::string device = "cpu";
  Shard shard;
  std::function<void(uint64_t done, uint64_t total)> hashing;  // of weights; may be empty
};

// Reads tokenizer, configuration and schemas and names the units; `stored` is empty. Hashes the
// weights unless their digest is kept beside them. Errors name the file.
Result<ModelPlan> PlanModel(const Manifest& manifest, const ManifestModel& model,
                            const PlanOptions& options);

}  // namespace promptcache
