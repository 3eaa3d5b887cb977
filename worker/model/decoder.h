// A decoder-only transformer: embedding, layers over a residual stream, output head. What its
// layers are made of is the configuration's (common/formats/model_config.h); adding an architecture
// takes no code here unless it needs a block that none had before.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/thread_team.h"
#include "worker/attention/step_attention.h"
#include "worker/model/blocks.h"
#include "worker/model/layer.h"
#include "worker/model/model.h"
#include "worker/model/source.h"

namespace promptcache {

class Decoder : public Model {
 public:
  // `threads`: of a forward step; 0: one per core, and one where a GPU does the work. Errors: those
  // of ModelSource.
  static Result<std::unique_ptr<Model>> Load(ModelSource& source, int threads);

  const ModelShape& shape() const final { return config_.shape; }
  at::TensorOptions kv_options() const final { return compute_; }
  Result<at::Tensor> Forward(std::span<SequenceStep> steps) final;

 private:
  Decoder(const ModelConfig& config, at::TensorOptions compute, int threads)
      : config_(config), compute_(compute), threads_(threads), team_(threads) {}
  Status LoadWeights(ModelSource& source);

  Status Check(const SequenceStep& step) const;
  Status CheckUnits(const SequenceStep& step) const;
  Result<at::Tensor> Run(std::span<SequenceStep> steps);
  // Called before each layer, with its index: waits for what it reads.
  using AwaitLayer = std::function<Status(int64_t layer)>;
  // x [tokens, hidden] fp32 is overwritten. Returns the final-normed rows `wanted` [n] int64 (of
  // tokens) as [n, hidden] compute dtype; undefined when `wanted` is not given.
  Result<at::Tensor> RunLayers(at::Tensor x, StepAttention& attention,
                               const std::optional<at::Tensor>& wanted,
                               const AwaitLayer& await) const;

  const ModelConfig config_;
  const at::TensorOptions compute_;
  const int threads_;  // of LibTorch's loops
  ThreadTeam team_;    // of ours, as many

  // Constant after LoadWeights.
  at::Tensor embedding_;  // [vocabulary, hidden] compute dtype, device
  std::vector<Layer> layers_;
  Norm final_norm_;
  Linear head_;  // [vocabulary, hidden]
};

}  // namespace promptcache
