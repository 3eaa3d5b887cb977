#include "tools/precompute/model_producer.h"

#include <algorithm>

#include "common/clock.h"
#include "worker/kv/unit_encoder.h"
#include "worker/kv/unit_io.h"
#include "worker/model/model.h"

namespace promptcache {
namespace {

Result<UnitPtr> EncodeWhole(UnitEncoder& encoder) {
  for (;;) {
    PC_ASSIGN_OR_RETURN(const bool complete, encoder.Step());
    if (complete) return encoder.Take();
  }
}

class LoadedProducer : public ModelProducer {
 public:
  LoadedProducer(LoadedModel loaded, StoreFormat format)
      : loaded_(std::move(loaded)), format_(std::move(format)) {}

  Result<ProducedUnit> Produce(const WorkUnit& unit, BlobStore& store) override {
    try {
      UnitEncoder encoder(*loaded_.model, contexts_, unit.key,
                          std::make_shared<const Recipe>(unit.MakeRecipe()));
      PC_ASSIGN_OR_RETURN(const UnitPtr encoded, EncodeWhole(encoder));
      PC_ASSIGN_OR_RETURN(const uint64_t bytes, StoreUnit(store, *encoded, format_, unit.imports));
      return ProducedUnit{.tokens = encoder.computed_tokens(), .bytes = bytes};
    } catch (const std::exception& error) {
      return ResourceExhausted(std::string("no memory for a unit: ") + error.what());
    }
  }

  Result<double> MeasureRate() override {
    try {
      PC_RETURN_IF_ERROR(TimeChunk().status());
      return TimeChunk();
    } catch (const std::exception& error) {
      return ResourceExhausted(std::string("no memory to measure a rate: ") + error.what());
    }
  }

 private:
  // Tokens per second of one chunk, or of as many tokens as the model's context has.
  Result<double> TimeChunk() {
    const int64_t tokens = std::min(kEncodeChunk, loaded_.model->shape().context_length);
    auto recipe = std::make_shared<Recipe>();
    for (int32_t i = 0; i < tokens; ++i) recipe->own.Append(1, i);
    ContextCache none;
    UnitEncoder encoder(*loaded_.model, none, UnitKey(), std::move(recipe));
    const SteadyTime start = SystemClock().Now();
    PC_RETURN_IF_ERROR(EncodeWhole(encoder).status());
    return 1000 * static_cast<double>(tokens) / MillisecondsBetween(start, SystemClock().Now());
  }

  const LoadedModel loaded_;
  const StoreFormat format_;
  ContextCache contexts_;
};

}  // namespace

Result<std::unique_ptr<ModelProducer>> ModelProducer::Load(const ModelPlan& plan,
                                                           const WeightsOptions& options) {
  PC_ASSIGN_OR_RETURN(const ComputeDtype dtype, ParseComputeDtype(plan.model.dtype));
  PC_ASSIGN_OR_RETURN(LoadedModel loaded,
                      LoadModel(plan.model.path, {.dtype = dtype,
                                                  .device = options.device,
                                                  .threads = options.threads,
                                                  .progress = options.progress}));
  loaded.identity.tokenizer = plan.format.identity.tokenizer;
  loaded.identity.kv_layout = plan.format.identity.kv_layout;
  if (const auto difference = loaded.identity.FirstDifference(plan.format.identity)) {
    return FailedPrecondition(plan.model.path +
                              " changed while the work was planned: " + *difference);
  }
  return std::unique_ptr<ModelProducer>(std::make_unique<LoadedProducer>(
      std::move(loaded), StoreFormat{plan.format.identity, plan.format.encoding}));
}

}  // namespace promptcache
