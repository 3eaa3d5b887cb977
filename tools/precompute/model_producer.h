// Units made by a model. Without LibTorch in this header.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tools/precompute/plan.h"
#include "tools/precompute/run.h"

namespace promptcache {

struct WeightsOptions {
  std::string device = "cpu";
  int threads = 0;                                              // 0: one per core
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes read; may be empty
};

// Not thread safe.
class ModelProducer : public UnitProducer {
 public:
  // Loads the weights of the plan's model. The errors of LoadModel; kFailedPrecondition when the
  // files are no longer those that were planned with.
  static Result<std::unique_ptr<ModelProducer>> Load(const ModelPlan& plan,
                                                     const WeightsOptions& options);

  // Tokens that the model runs in a second: of a chunk of text, after one that warms it up. The
  // errors of the model.
  virtual Result<double> MeasureRate() = 0;
};

}  // namespace promptcache
