#include "worker/model/layer.h"

#include <ATen/ATen.h>

#include "worker/model/qkv_rows.h"

namespace promptcache {
namespace {

NormBias BiasOf(const ModelConfig& config) {
  return config.norm_bias ? NormBias::kRequired : NormBias::kNone;
}

struct LinearShape {
  int64_t out = 0, in = 0;
  bool biased = false;
};

Result<Linear> LoadLinear(ModelSource& source, const std::string& name, const LinearShape& shape) {
  PC_ASSIGN_OR_RETURN(at::Tensor weight, source.Matrix(name + ".weight", shape.out, shape.in));
  if (!shape.biased) return Linear(std::move(weight));
  PC_ASSIGN_OR_RETURN(at::Tensor bias, source.Bias(name + ".bias", shape.out));
  return Linear(std::move(weight), std::move(bias));
}

}  // namespace

Result<Norm> LoadNorm(ModelSource& source, const std::string& name, int64_t size, NormBias bias) {
  const ModelConfig& config = source.config();
  PC_ASSIGN_OR_RETURN(at::Tensor weight, source.Vector(name + ".weight", size));
  const bool biased =
      bias == NormBias::kRequired || (bias == NormBias::kIfStored && source.Has(name + ".bias"));
  if (!biased) return Norm(config.norm, config.norm_epsilon, std::move(weight), {});
  PC_ASSIGN_OR_RETURN(at::Tensor offset, source.Vector(name + ".bias", size));
  return Norm(config.norm, config.norm_epsilon, std::move(weight), std::move(offset));
}

Result<Layer> Layer::Load(ModelSource& source, const ModelConfig& config, int64_t index) {
  const ModelShape& shape = config.shape;
  Layer layer(config, index);
  PC_RETURN_IF_ERROR(layer.LoadNorms(source));
  PC_ASSIGN_OR_RETURN(layer.qkv_, LoadQkv(source, layer.Name("")));
  PC_ASSIGN_OR_RETURN(layer.output_,
                      LoadLinear(source, layer.Name("attn_output"),
                                 {shape.hidden, shape.heads * shape.head_dim, config.output_bias}));
  PC_RETURN_IF_ERROR(layer.LoadFeedForward(source));
  return layer;
}

Status Layer::LoadNorms(ModelSource& source) {
  const ModelShape& shape = config_->shape;
  const NormBias bias = BiasOf(*config_);
  const bool two_parallel = config_->residual == Residual::kParallelTwoNorms;
  const char* const first = two_parallel ? "attn_norm_2" : "attn_norm";
  PC_ASSIGN_OR_RETURN(attention_norm_, LoadNorm(source, Name(first), shape.hidden, bias));
  if (config_->residual != Residual::kParallel) {
    const char* const second = two_parallel ? "attn_norm" : "ffn_norm";
    PC_ASSIGN_OR_RETURN(feed_forward_norm_, LoadNorm(source, Name(second), shape.hidden, bias));
  }
  if (!config_->qk_norm) return {};
  PC_ASSIGN_OR_RETURN(query_norm_, LoadNorm(source, Name("attn_q_norm"),
                                            shape.heads * shape.head_dim, NormBias::kIfStored));
  PC_ASSIGN_OR_RETURN(key_norm_, LoadNorm(source, Name("attn_k_norm"),
                                          shape.kv_heads * shape.head_dim, NormBias::kIfStored));
  return {};
}

Status Layer::LoadFeedForward(ModelSource& source) {
  const int64_t hidden = config_->shape.hidden, width = config_->shape.feed_forward;
  const bool biased = config_->feed_forward_bias;
  PC_ASSIGN_OR_RETURN(down_, LoadLinear(source, Name("ffn_down"), {hidden, width, biased}));
  if (config_->feed_forward == FeedForwardKind::kGelu) {
    PC_ASSIGN_OR_RETURN(up_, LoadLinear(source, Name("ffn_up"), {width, hidden, biased}));
    return {};
  }
  PC_ASSIGN_OR_RETURN(const at::Tensor gate, source.Matrix(Name("ffn_gate.weight"), width, hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor up, source.Matrix(Name("ffn_up.weight"), width, hidden));
  at::Tensor bias;
  if (biased) {
    PC_ASSIGN_OR_RETURN(const at::Tensor gate_bias, source.Bias(Name("ffn_gate.bias"), width));
    PC_ASSIGN_OR_RETURN(const at::Tensor up_bias, source.Bias(Name("ffn_up.bias"), width));
    bias = at::cat({gate_bias, up_bias});
  }
  up_ = Linear(at::cat({gate, up}), bias);
  return {};
}

at::Tensor Layer::Qkv(const at::Tensor& x) const {
  const ModelShape& shape = config_->shape;
  const at::Tensor qkv = qkv_.Apply(x);  // [tokens, (heads + 2 kv_heads) * head_dim]
  if (config_->clip_qkv > 0) qkv.clamp_(-config_->clip_qkv, config_->clip_qkv);
  if (config_->qk_norm) {
    const int64_t q = shape.heads * shape.head_dim, k = shape.kv_heads * shape.head_dim;
    const at::Tensor queries = qkv.narrow(1, 0, q), keys = qkv.narrow(1, q, k);
    queries.copy_(query_norm_.Apply(queries.to(at::kFloat), qkv.scalar_type()));
    keys.copy_(key_norm_.Apply(keys.to(at::kFloat), qkv.scalar_type()));
  }
  return qkv.view({x.size(0), -1, shape.head_dim});
}

at::Tensor Layer::Attend(const at::Tensor& x, StepAttention& attention) const {
  const ModelShape& shape = config_->shape;
  const at::Tensor qkv = Qkv(x);
  const at::Tensor q = qkv.narrow(1, 0, shape.heads);
  const at::Tensor k = qkv.narrow(1, shape.heads, shape.kv_heads);
  const at::Tensor v = qkv.narrow(1, shape.heads + shape.kv_heads, shape.kv_heads);
  return attention.Run(index_, q, k, v);
}

at::Tensor Layer::Feed(const at::Tensor& x) const {
  const at::Tensor up = up_.Apply(x);
  const bool gated = config_->feed_forward == FeedForwardKind::kSwiglu;
  return down_.Apply(gated ? Swiglu(up) : at::gelu(up));
}

}  // namespace promptcache
