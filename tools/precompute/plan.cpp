#include "tools/precompute/plan.h"

#include <algorithm>

#include "common/formats/model_identity.h"
#include "worker/model/model.h"

namespace promptcache {
namespace {

bool Wants(const ManifestSchema& schema, const ManifestModel& model) {
  const auto& names = schema.models;
  return names.empty() || std::find(names.begin(), names.end(), model.name) != names.end();
}

Result<UnitFormat> FormatOf(const ManifestModel& model, const ServedModel& served,
                            const PlanOptions& options) {
  PC_ASSIGN_OR_RETURN(const ComputeDtype wanted, ParseComputeDtype(model.dtype));
  PC_ASSIGN_OR_RETURN(const std::string dtype, ComputeDtypeName(wanted, options.device));
  PC_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(model.path));
  const ModelShape& shape = checkpoint->config().shape;
  UnitFormat format{.dtype = dtype == "bf16" ? BlobDtype::kBfloat16 : BlobDtype::kFloat32,
                    .layers = static_cast<uint32_t>(shape.layers),
                    .kv_heads = static_cast<uint32_t>(shape.kv_heads),
                    .head_dim = static_cast<uint32_t>(shape.head_dim)};
  PC_ASSIGN_OR_RETURN(format.identity, IdentityOfModel(*checkpoint, dtype, options.hashing));
  format.identity.tokenizer = served.tokenizer->digest().ToHex();
  format.identity.kv_layout = model.compression.kv_layout;
  format.encoding = model.compression.encoding;
  return format;
}

}  // namespace

Result<ModelPlan> PlanModel(const Manifest& manifest, const ManifestModel& model,
                            const PlanOptions& options) {
  PC_ASSIGN_OR_RETURN(const ServedModel served, LoadServedModel(model.path, model.chat_template));
  ModelPlan plan{.model = model};
  for (const ManifestSchema& schema : manifest.schemas) {
    if (!Wants(schema, model)) continue;
    PC_ASSIGN_OR_RETURN(const std::vector<CompiledSchema> variants,
                        CompileVariants(schema, served));
    plan.schemas.insert(plan.schemas.end(), variants.begin(), variants.end());
  }
  PC_ASSIGN_OR_RETURN(plan.format, FormatOf(model, served, options));
  PC_ASSIGN_OR_RETURN(std::vector<WorkUnit> units, ListUnits(plan.schemas, plan.format));
  plan.units = TakeShard(std::move(units), options.shard);
  return plan;
}

}  // namespace promptcache
