// Falcon (arXiv 2311.16867): layer norms, GELU, and one of three ways to add up:
//   7B:       x += A(n) + F(n), n = norm(x); one key head
//   40B/180B: x += A(norm1(x)) + F(norm2(x)); grouped key heads ("new decoder"); 11B: one norm
//   RW:       x += A(norm1(x)); x += F(norm2(x)); a key head for each query head; ALiBi, biases
// Falcon adds ALiBi before it divides by sqrt(head_dim), so the slopes are divided, too.
#include <cmath>

#include "common/formats/architectures.h"

namespace promptcache {
namespace {

constexpr std::string_view kGgufNames[] = {"falcon"};
constexpr std::string_view kJsonTypes[] = {"falcon", "RefinedWeb", "RefinedWebModel"};

// As in GGUF, attn_norm_2 is the norm before attention where there are two.
constexpr TensorNaming kTensors[] = {
    {"transformer.word_embeddings.weight", "token_embd.weight"},
    {"transformer.h.#.input_layernorm.weight", "blk.#.attn_norm.weight"},
    {"transformer.h.#.input_layernorm.bias", "blk.#.attn_norm.bias"},
    {"transformer.h.#.ln_mlp.weight", "blk.#.attn_norm.weight"},
    {"transformer.h.#.ln_mlp.bias", "blk.#.attn_norm.bias"},
    {"transformer.h.#.ln_attn.weight", "blk.#.attn_norm_2.weight"},
    {"transformer.h.#.ln_attn.bias", "blk.#.attn_norm_2.bias"},
    {"transformer.h.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight"},
    {"transformer.h.#.post_attention_layernorm.bias", "blk.#.ffn_norm.bias"},
    {"transformer.h.#.self_attention.query_key_value.weight", "blk.#.attn_qkv.weight"},
    {"transformer.h.#.self_attention.query_key_value.bias", "blk.#.attn_qkv.bias"},
    {"transformer.h.#.self_attention.dense.weight", "blk.#.attn_output.weight"},
    {"transformer.h.#.self_attention.dense.bias", "blk.#.attn_output.bias"},
    {"transformer.h.#.mlp.dense_h_to_4h.weight", "blk.#.ffn_up.weight"},
    {"transformer.h.#.mlp.dense_h_to_4h.bias", "blk.#.ffn_up.bias"},
    {"transformer.h.#.mlp.dense_4h_to_h.weight", "blk.#.ffn_down.weight"},
    {"transformer.h.#.mlp.dense_4h_to_h.bias", "blk.#.ffn_down.bias"},
    {"transformer.ln_f.weight", "output_norm.weight"},
    {"transformer.ln_f.bias", "output_norm.bias"},
    {"lm_head.weight", "output.weight"},
};

ModelConfig Common() {
  return {.architecture = "falcon",
          .norm = NormKind::kLayer,
          .feed_forward = FeedForwardKind::kGelu,
          .norm_bias = true};
}

// llama.cpp knows the two parallel kinds without biases, and reorders the rows of attn_qkv.
Result<ModelConfig> FromGguf(const GgufConfig& file) {
  ModelConfig config = Common();
  PC_ASSIGN_OR_RETURN(config.shape, ReadGgufShape(file));
  PC_ASSIGN_OR_RETURN(config.positions, ReadGgufRope(file, config.shape));
  PC_ASSIGN_OR_RETURN(config.norm_epsilon, file.Positive("attention.layer_norm_epsilon"));
  config.residual = file.HasTensor("blk.0.attn_norm_2.weight") ? Residual::kParallelTwoNorms
                                                               : Residual::kParallel;
  config.qkv = QkvTensors::kFused;
  config.qkv_bias = file.HasTensor("blk.0.attn_qkv.bias");
  config.output_bias = file.HasTensor("blk.0.attn_output.bias");
  config.feed_forward_bias = file.HasTensor("blk.0.ffn_down.bias");
  config.tied_head = !file.HasTensor("output.weight");
  return config;
}

// The first 40B files do not say that theirs is the new decoder.
Result<bool> IsNewDecoder(const JsonConfig& file) {
  PC_ASSIGN_OR_RETURN(const std::string type, file.TextOr("model_type", ""));
  return file.FlagOr("new_decoder_architecture", type == "RefinedWeb");
}

// Key heads as the decoder's kind says; the first published files say n_layer, n_head, n_head_kv.
Result<ModelShape> Shape(const JsonConfig& file) {
  const auto size = [&](std::initializer_list<std::string_view> keys, int64_t max) {
    return file.Size(JsonConfig::Spelling(file, keys), max);
  };
  ModelShape shape;
  PC_ASSIGN_OR_RETURN(shape.layers, size({"n_layer", "num_hidden_layers"}, kMaxLayers));
  PC_ASSIGN_OR_RETURN(shape.hidden, size({"n_embed", "hidden_size"}, kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.heads, size({"n_head", "num_attention_heads"}, kMaxHeads));
  PC_ASSIGN_OR_RETURN(shape.vocabulary, file.Size("vocab_size", kMaxVocabulary));
  PC_ASSIGN_OR_RETURN(shape.feed_forward,
                      file.SizeOr("ffn_hidden_size", kMaxWidth, 4 * shape.hidden));
  PC_ASSIGN_OR_RETURN(shape.context_length,
                      file.SizeOr("max_position_embeddings", kMaxContext, 2048));
  shape.head_dim = shape.hidden / shape.heads;
  PC_ASSIGN_OR_RETURN(const bool grouped, IsNewDecoder(file));
  PC_ASSIGN_OR_RETURN(const bool one, file.FlagOr("multi_query", true));
  shape.kv_heads = one ? 1 : shape.heads;
  if (grouped) {
    const auto key = JsonConfig::Spelling(file, {"n_head_kv", "num_kv_heads"});
    PC_ASSIGN_OR_RETURN(shape.kv_heads, file.SizeOr(key, kMaxHeads, shape.heads));
  }
  return shape;
}

Result<Residual> ReadResidual(const JsonConfig& file) {
  PC_ASSIGN_OR_RETURN(const bool grouped, IsNewDecoder(file));
  PC_ASSIGN_OR_RETURN(const bool parallel, file.FlagOr("parallel_attn", true));
  PC_ASSIGN_OR_RETURN(const int64_t norms,
                      file.SizeOr("num_ln_in_parallel_attn", 2, grouped ? 2 : 1));
  if (grouped && norms == 2) return Residual::kParallelTwoNorms;
  return grouped || parallel ? Residual::kParallel : Residual::kSequential;
}

Result<ModelConfig> FromJson(const JsonConfig& file) {
  ModelConfig config = Common();
  PC_ASSIGN_OR_RETURN(const std::string activation, file.TextOr("activation", "gelu"));
  if (activation != "gelu")
    return file.Unsupported("activation", "is '" + activation + "'; gelu is supported");
  PC_ASSIGN_OR_RETURN(config.shape, Shape(file));
  PC_ASSIGN_OR_RETURN(config.residual, ReadResidual(file));
  PC_ASSIGN_OR_RETURN(const bool alibi, file.FlagOr("alibi", false));
  if (alibi) {
    const double scale = 1 / std::sqrt(static_cast<double>(config.shape.head_dim));
    PC_ASSIGN_OR_RETURN(config.positions, MakeAlibi(config.shape.heads, 8, scale));
  } else {
    PC_ASSIGN_OR_RETURN(config.positions, ReadJsonRope(file, config.shape));
  }
  PC_ASSIGN_OR_RETURN(config.norm_epsilon, file.PositiveOr("layer_norm_epsilon", 1e-5));
  config.qkv = QkvTensors::kGrouped;
  PC_ASSIGN_OR_RETURN(const bool bias, file.FlagOr("bias", false));
  config.qkv_bias = config.output_bias = config.feed_forward_bias = bias;
  PC_ASSIGN_OR_RETURN(config.tied_head, file.FlagOr("tie_word_embeddings", true));
  return config;
}

}  // namespace

const Architecture kFalconArchitecture{.name = "falcon",
                                       .gguf_names = kGgufNames,
                                       .json_types = kJsonTypes,
                                       .from_gguf = FromGguf,
                                       .from_json = FromJson,
                                       .tensors = kTensors};

}  // namespace promptcache
