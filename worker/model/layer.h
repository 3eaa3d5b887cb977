// One layer of a decoder, made of the blocks that its configuration names.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "common/formats/model_config.h"
#include "worker/attention/step_attention.h"
#include "worker/model/blocks.h"
#include "worker/model/source.h"

namespace promptcache {

// Immutable after loading. The residual stream itself belongs to the decoder.
class Layer {
 public:
  // `config` is the source's and outlives the layer.
  static Result<Layer> Load(ModelSource& source, const ModelConfig& config, int64_t index);

  const Norm& attention_norm() const { return attention_norm_; }
  const Norm& feed_forward_norm() const { return feed_forward_norm_; }

  // x [tokens, hidden] normed, compute dtype -> [tokens, heads * head_dim], before the output
  // projection. Appends the tokens' keys and values.
  at::Tensor Attend(const at::Tensor& x, StepAttention& attention) const;
  // [rows, heads * head_dim] -> [rows, hidden].
  at::Tensor Project(const at::Tensor& attended) const { return output_.Apply(attended); }
  // The feed-forward network: x [rows, hidden] normed -> [rows, hidden].
  at::Tensor Feed(const at::Tensor& x) const;

 private:
  explicit Layer(const ModelConfig& config, int64_t index) : config_(&config), index_(index) {}
  Status LoadNorms(ModelSource& source);
  Status LoadFeedForward(ModelSource& source);
  // Queries, keys and values of all tokens' heads [tokens, heads + 2 kv_heads, head_dim].
  at::Tensor Qkv(const at::Tensor& x) const;
  std::string Name(const std::string& tensor) const {
    return "blk." + std::to_string(index_) + "." + tensor;
  }

  const ModelConfig* config_;
  int64_t index_ = 0;
  Norm attention_norm_, feed_forward_norm_;  // the second is unused where one norm feeds both
  Norm query_norm_, key_norm_;               // MPT's qk_ln
  Linear qkv_;                               // rows: query heads, key heads, value heads
  Linear output_;
  Linear up_;  // SwiGLU: rows gate, up
  Linear down_;
};

// A norm over `size` values from NAME.weight and, as `bias` says, NAME.bias.
enum class NormBias : uint8_t { kNone, kRequired, kIfStored };
Result<Norm> LoadNorm(ModelSource& source, const std::string& name, int64_t size, NormBias bias);

}  // namespace promptcache
