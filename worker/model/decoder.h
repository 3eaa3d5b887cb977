// What every decoder-only architecture shares: checking a step, embedding, attention over segment
// lists, the output head. An architecture derives from it and supplies its layers.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "worker/attention/step_attention.h"
#include "worker/model/blocks.h"
#include "worker/model/model.h"

namespace promptcache {

struct DecoderParts {
  ModelShape shape;
  RotaryParameters rotary;
  at::Tensor embedding;  // [vocabulary, hidden] compute dtype, device
  Linear head;           // [vocabulary, hidden]
  at::TensorOptions compute;
  int threads = 0;  // 0: one per core
};

class Decoder : public Model {
 public:
  const ModelShape& shape() const final { return parts_.shape; }
  at::TensorOptions kv_options() const final { return parts_.compute; }
  Result<at::Tensor> Forward(std::span<SequenceStep> steps) final;

 protected:
  explicit Decoder(DecoderParts parts) : parts_(std::move(parts)) {}

  // Runs all layers over x [tokens, hidden] fp32, which it may overwrite; writes the keys and
  // values of every token through `attention`. Returns the final-normalised rows `wanted` [n] int64
  // (of tokens) as [n, hidden] in the compute dtype; undefined when `wanted` is not given.
  virtual at::Tensor RunLayers(at::Tensor x, StepAttention& attention,
                               const std::optional<at::Tensor>& wanted) const = 0;

  const DecoderParts& parts() const { return parts_; }

 private:
  Status Check(const SequenceStep& step) const;
  Status CheckUnits(const SequenceStep& step) const;
  at::Tensor Run(std::span<SequenceStep> steps) const;

  const DecoderParts parts_;
};

}  // namespace promptcache
