// Llama (arXiv 2302.13971, grouped queries as in 2307.09288): pre-normalised residual blocks of
// rotary attention and a SwiGLU feed-forward network, without biases.
#include <ATen/ATen.h>

#include "worker/model/decoder.h"
#include "worker/model/registry.h"

namespace promptcache {
namespace {

struct Layer {
  RmsNorm attention_norm, feed_forward_norm;
  Linear qkv;      // rows: query heads, key heads, value heads
  Linear output;   // back to hidden
  Linear gate_up;  // rows: gate, up
  Linear down;
};

class Llama : public Decoder {
 public:
  Llama(DecoderParts parts, std::vector<Layer> layers, RmsNorm final_norm)
      : Decoder(std::move(parts)), layers_(std::move(layers)), final_norm_(std::move(final_norm)) {}

 protected:
  at::Tensor RunLayers(at::Tensor x, StepAttention& attention,
                       const std::optional<at::Tensor>& wanted) const override {
    const at::ScalarType dtype = parts().embedding.scalar_type();
    at::Tensor normed = layers_.front().attention_norm.Apply(x, dtype);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      at::Tensor attended = Attend(layer, static_cast<int64_t>(i), normed, attention);
      const bool last = i + 1 == layers_.size();
      if (last) {  // beyond the keys and values only the wanted rows matter
        if (!wanted) return at::Tensor();
        attended = attended.index_select(0, *wanted);
        x = x.index_select(0, *wanted);
      }
      normed = layer.feed_forward_norm.AddAndApply(x, layer.output.Apply(attended));
      const at::Tensor fed = layer.down.Apply(Swiglu(layer.gate_up.Apply(normed)));
      const RmsNorm& next = last ? final_norm_ : layers_[i + 1].attention_norm;
      normed = next.AddAndApply(x, fed);
    }
    return normed;
  }

 private:
  at::Tensor Attend(const Layer& layer, int64_t index, const at::Tensor& normed,
                    StepAttention& attention) const {
    const ModelShape& shape = parts().shape;
    const at::Tensor qkv = layer.qkv.Apply(normed).view({normed.size(0), -1, shape.head_dim});
    const at::Tensor q = qkv.narrow(1, 0, shape.heads);
    const at::Tensor k = qkv.narrow(1, shape.heads, shape.kv_heads);
    const at::Tensor v = qkv.narrow(1, shape.heads + shape.kv_heads, shape.kv_heads);
    return attention.Run(index, q, k, v);
  }

  const std::vector<Layer> layers_;
  const RmsNorm final_norm_;
};

Result<Layer> LoadLayer(ModelSource& source, const ModelShape& s, int64_t index, double epsilon) {
  const std::string prefix = "blk." + std::to_string(index) + ".";
  const int64_t q_rows = s.heads * s.head_dim, kv_rows = s.kv_heads * s.head_dim;
  Layer layer;
  PC_ASSIGN_OR_RETURN(const at::Tensor norm, source.Vector(prefix + "attn_norm.weight", s.hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor q,
                      source.RotaryMatrix(prefix + "attn_q.weight", s.heads, s.head_dim, s.hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor k, source.RotaryMatrix(prefix + "attn_k.weight", s.kv_heads,
                                                              s.head_dim, s.hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor v,
                      source.Matrix(prefix + "attn_v.weight", kv_rows, s.hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor output,
                      source.Matrix(prefix + "attn_output.weight", s.hidden, q_rows));
  PC_ASSIGN_OR_RETURN(const at::Tensor ffn_norm,
                      source.Vector(prefix + "ffn_norm.weight", s.hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor gate,
                      source.Matrix(prefix + "ffn_gate.weight", s.feed_forward, s.hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor up,
                      source.Matrix(prefix + "ffn_up.weight", s.feed_forward, s.hidden));
  PC_ASSIGN_OR_RETURN(const at::Tensor down,
                      source.Matrix(prefix + "ffn_down.weight", s.hidden, s.feed_forward));
  layer.attention_norm = RmsNorm(norm, epsilon);
  layer.feed_forward_norm = RmsNorm(ffn_norm, epsilon);
  layer.qkv = Linear(at::cat({q, k, v}));
  layer.output = Linear(output);
  layer.gate_up = Linear(at::cat({gate, up}));
  layer.down = Linear(down);
  return layer;
}

}  // namespace

Result<std::unique_ptr<Model>> BuildLlama(ModelSource& source, int threads) {
  DecoderParts parts{.compute = source.compute(), .threads = threads};
  PC_ASSIGN_OR_RETURN(parts.shape, source.Shape());
  PC_ASSIGN_OR_RETURN(parts.rotary, source.Rotary(parts.shape));
  PC_ASSIGN_OR_RETURN(const double epsilon, source.Number("attention.layer_norm_rms_epsilon"));
  const ModelShape& shape = parts.shape;
  PC_ASSIGN_OR_RETURN(parts.embedding,
                      source.Matrix("token_embd.weight", shape.vocabulary, shape.hidden));
  at::Tensor head = parts.embedding;
  if (source.Has("output.weight")) {
    PC_ASSIGN_OR_RETURN(head, source.Matrix("output.weight", shape.vocabulary, shape.hidden));
  }
  parts.head = Linear(head);
  PC_ASSIGN_OR_RETURN(const at::Tensor norm, source.Vector("output_norm.weight", shape.hidden));
  std::vector<Layer> layers;
  for (int64_t i = 0; i < shape.layers; ++i) {
    PC_ASSIGN_OR_RETURN(Layer layer, LoadLayer(source, shape, i, epsilon));
    layers.push_back(std::move(layer));
  }
  PC_RETURN_IF_ERROR(source.CheckAllUsed());
  return std::unique_ptr<Model>(
      std::make_unique<Llama>(std::move(parts), std::move(layers), RmsNorm(norm, epsilon)));
}

}  // namespace promptcache
