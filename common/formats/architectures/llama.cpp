// Llama (arXiv 2302.13971; grouped queries 2307.09288) and those built like it: CodeLlama, Llama 3,
// Mistral, SmolLM2, Qwen2. Two RMS norms, rotary attention, a SwiGLU network:
//   x += Wo attention(Wq n, Wk n, Wv n), n = norm1(x)
//   x += Wdown (silu(Wgate m) * Wup m), m = norm2(x)
// Qwen2 has biases on queries, keys and values.
#include <algorithm>

#include "common/formats/architectures.h"

namespace promptcache {
namespace {

constexpr std::string_view kGgufNames[] = {"llama", "qwen2"};
constexpr std::string_view kJsonTypes[] = {"llama", "mistral", "qwen2"};

constexpr TensorNaming kTensors[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight"},
    {"model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight"},
    {"model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias"},
    {"model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight"},
    {"model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias"},
    {"model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight"},
    {"model.layers.#.self_attn.v_proj.bias", "blk.#.attn_v.bias"},
    {"model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight"},
    {"model.layers.#.self_attn.o_proj.bias", "blk.#.attn_output.bias"},
    {"model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight"},
    {"model.layers.#.mlp.gate_proj.weight", "blk.#.ffn_gate.weight"},
    {"model.layers.#.mlp.gate_proj.bias", "blk.#.ffn_gate.bias"},
    {"model.layers.#.mlp.up_proj.weight", "blk.#.ffn_up.weight"},
    {"model.layers.#.mlp.up_proj.bias", "blk.#.ffn_up.bias"},
    {"model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight"},
    {"model.layers.#.mlp.down_proj.bias", "blk.#.ffn_down.bias"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
    {"model.layers.#.self_attn.rotary_emb.inv_freq", kIgnoredTensor},
};

Result<ModelConfig> FromGguf(const GgufConfig& file) {
  ModelConfig config{.architecture = "llama"};
  PC_ASSIGN_OR_RETURN(config.shape, ReadGgufShape(file));
  PC_ASSIGN_OR_RETURN(config.positions, ReadGgufRope(file, config.shape));
  PC_ASSIGN_OR_RETURN(config.norm_epsilon, file.Positive("attention.layer_norm_rms_epsilon"));
  if (file.architecture() == "llama") config.rotary_rows = RotaryRowOrder::kInterleaved;
  config.qkv_bias = file.HasTensor("blk.0.attn_q.bias");
  config.output_bias = file.HasTensor("blk.0.attn_output.bias");
  config.feed_forward_bias = file.HasTensor("blk.0.ffn_down.bias");
  config.tied_head = !file.HasTensor("output.weight");
  return config;
}

Result<ModelShape> Shape(const JsonConfig& file) {
  ModelShape shape;
  PC_ASSIGN_OR_RETURN(shape.layers, file.Size("num_hidden_layers", kMaxLayers));
  PC_ASSIGN_OR_RETURN(shape.hidden, file.Size("hidden_size", kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.feed_forward, file.Size("intermediate_size", kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.context_length, file.Size("max_position_embeddings", kMaxContext));
  PC_ASSIGN_OR_RETURN(shape.vocabulary, file.Size("vocab_size", kMaxVocabulary));
  PC_ASSIGN_OR_RETURN(shape.heads, file.Size("num_attention_heads", kMaxHeads));
  PC_ASSIGN_OR_RETURN(shape.kv_heads, file.SizeOr("num_key_value_heads", kMaxHeads, shape.heads));
  PC_ASSIGN_OR_RETURN(shape.head_dim,
                      file.SizeOr("head_dim", kMaxHeadDim, shape.hidden / shape.heads));
  return shape;
}

// Attention that sees no further back than the window is the same as plain attention while all
// positions are within it: that much context is served.
Status FitWindow(const JsonConfig& file, const std::string& type, ModelShape& shape) {
  PC_ASSIGN_OR_RETURN(const bool used, file.FlagOr("use_sliding_window", type == "mistral"));
  if (!used) return {};
  PC_ASSIGN_OR_RETURN(const int64_t window,
                      file.SizeOr("sliding_window", kMaxContext, shape.context_length));
  shape.context_length = std::min(shape.context_length, window);
  return {};
}

Result<ModelConfig> FromJson(const JsonConfig& file) {
  ModelConfig config{.architecture = "llama"};
  PC_ASSIGN_OR_RETURN(const std::string type, file.TextOr("model_type", ""));
  PC_ASSIGN_OR_RETURN(const std::string activation, file.TextOr("hidden_act", "silu"));
  if (activation != "silu")
    return file.Unsupported("hidden_act", "is '" + activation + "'; silu is supported");
  PC_ASSIGN_OR_RETURN(config.shape, Shape(file));
  PC_ASSIGN_OR_RETURN(config.positions, ReadJsonRope(file, config.shape));
  PC_RETURN_IF_ERROR(FitWindow(file, type, config.shape));
  PC_ASSIGN_OR_RETURN(config.norm_epsilon, file.PositiveOr("rms_norm_eps", 1e-6));
  PC_ASSIGN_OR_RETURN(const bool biases, file.FlagOr("attention_bias", false));
  config.qkv_bias = biases || type == "qwen2";
  config.output_bias = biases;
  PC_ASSIGN_OR_RETURN(config.feed_forward_bias, file.FlagOr("mlp_bias", false));
  PC_ASSIGN_OR_RETURN(config.tied_head, file.FlagOr("tie_word_embeddings", false));
  return config;
}

}  // namespace

const Architecture kLlamaArchitecture{.name = "llama",
                                      .gguf_names = kGgufNames,
                                      .json_types = kJsonTypes,
                                      .from_gguf = FromGguf,
                                      .from_json = FromJson,
                                      .tensors = kTensors};

}  // namespace promptcache
