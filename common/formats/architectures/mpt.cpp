// MPT (MosaicML's llm-foundry): layer norms, GELU, ALiBi, mostly without biases:
//   x += Wo attention(clip(Wqkv n)), n = norm1(x); queries and keys may be normed across heads
//   x += Wdown gelu(Wup m), m = norm2(x)
#include <cmath>
#include <limits>

#include "common/formats/architectures.h"

namespace promptcache {
namespace {

constexpr std::string_view kGgufNames[] = {"mpt"};
constexpr std::string_view kJsonTypes[] = {"mpt"};

constexpr TensorNaming kTensors[] = {
    {"transformer.wte.weight", "token_embd.weight"},
    {"transformer.blocks.#.norm_1.weight", "blk.#.attn_norm.weight"},
    {"transformer.blocks.#.norm_1.bias", "blk.#.attn_norm.bias"},
    {"transformer.blocks.#.attn.Wqkv.weight", "blk.#.attn_qkv.weight"},
    {"transformer.blocks.#.attn.Wqkv.bias", "blk.#.attn_qkv.bias"},
    {"transformer.blocks.#.attn.q_ln.weight", "blk.#.attn_q_norm.weight"},
    {"transformer.blocks.#.attn.q_ln.bias", "blk.#.attn_q_norm.bias"},
    {"transformer.blocks.#.attn.k_ln.weight", "blk.#.attn_k_norm.weight"},
    {"transformer.blocks.#.attn.k_ln.bias", "blk.#.attn_k_norm.bias"},
    {"transformer.blocks.#.attn.out_proj.weight", "blk.#.attn_output.weight"},
    {"transformer.blocks.#.attn.out_proj.bias", "blk.#.attn_output.bias"},
    {"transformer.blocks.#.norm_2.weight", "blk.#.ffn_norm.weight"},
    {"transformer.blocks.#.norm_2.bias", "blk.#.ffn_norm.bias"},
    {"transformer.blocks.#.ffn.up_proj.weight", "blk.#.ffn_up.weight"},
    {"transformer.blocks.#.ffn.up_proj.bias", "blk.#.ffn_up.bias"},
    {"transformer.blocks.#.ffn.down_proj.weight", "blk.#.ffn_down.weight"},
    {"transformer.blocks.#.ffn.down_proj.bias", "blk.#.ffn_down.bias"},
    {"transformer.norm_f.weight", "output_norm.weight"},
    {"transformer.norm_f.bias", "output_norm.bias"},
    {"lm_head.weight", "output.weight"},
};

ModelConfig Common() {
  return {.architecture = "mpt",
          .norm = NormKind::kLayer,
          .feed_forward = FeedForwardKind::kGelu,
          .qkv = QkvTensors::kFused};
}

// 0: keys, queries and values are not clipped.
Result<double> ClipQkv(const ConfigReader& file, std::string_view key) {
  PC_ASSIGN_OR_RETURN(const double limit, file.NumberOr(key, 0));
  if (limit >= 0 && limit <= std::numeric_limits<float>::max()) return limit;
  return file.Wrong(key, "is no limit that a float can hold");
}

Result<ModelConfig> FromGguf(const GgufConfig& file) {
  ModelConfig config = Common();
  PC_ASSIGN_OR_RETURN(config.shape, ReadGgufShape(file));
  PC_ASSIGN_OR_RETURN(const double bias_max, file.Positive("attention.max_alibi_bias"));
  PC_ASSIGN_OR_RETURN(config.positions, MakeAlibi(config.shape.heads, bias_max, 1));
  PC_ASSIGN_OR_RETURN(config.norm_epsilon, file.Positive("attention.layer_norm_epsilon"));
  PC_ASSIGN_OR_RETURN(config.clip_qkv, ClipQkv(file, "attention.clamp_kqv"));
  config.qk_norm = file.HasTensor("blk.0.attn_q_norm.weight");
  config.norm_bias = file.HasTensor("blk.0.attn_norm.bias");
  config.qkv_bias = file.HasTensor("blk.0.attn_qkv.bias");
  config.output_bias = file.HasTensor("blk.0.attn_output.bias");
  config.feed_forward_bias = file.HasTensor("blk.0.ffn_down.bias");
  config.tied_head = !file.HasTensor("output.weight");
  return config;
}

// What llm-foundry can do and this project does not: an error, not a guess.
Status CheckSupported(const JsonConfig& file, const JsonConfig& attention) {
  for (const char* key : {"prefix_lm", "attn_uses_sequence_id", "qk_gn", "rope"}) {
    PC_ASSIGN_OR_RETURN(const bool on, attention.FlagOr(key, false));
    if (on) return attention.Unsupported(key, "is not supported");
  }
  PC_ASSIGN_OR_RETURN(const bool alibi, attention.FlagOr("alibi", true));
  if (!alibi)
    return attention.Unsupported("alibi", "is false: learned positions are not supported");
  if (attention.Has("sliding_window_size")) {
    PC_ASSIGN_OR_RETURN(const double window, attention.NumberOr("sliding_window_size", -1));
    if (window >= 0) return attention.Unsupported("sliding_window_size", "is not supported");
  }
  PC_ASSIGN_OR_RETURN(const std::string norm, file.TextOr("norm_type", "low_precision_layernorm"));
  if (norm != "low_precision_layernorm" && norm != "layernorm") {
    return file.Unsupported("norm_type", "is '" + norm + "'; layernorm is supported");
  }
  PC_ASSIGN_OR_RETURN(const JsonConfig network, file.Object("ffn_config"));
  PC_ASSIGN_OR_RETURN(const std::string kind, network.TextOr("ffn_type", "mptmlp"));
  if (kind != "mptmlp")
    return network.Unsupported("ffn_type", "is '" + kind + "'; mptmlp is supported");
  return {};
}

Result<int64_t> KeyHeads(const JsonConfig& attention, int64_t heads) {
  PC_ASSIGN_OR_RETURN(const std::string kind, attention.TextOr("attn_type", "multihead_attention"));
  if (kind == "multihead_attention") return heads;
  if (kind == "multiquery_attention") return 1;
  if (kind == "grouped_query_attention") return attention.Size("kv_n_heads", kMaxHeads);
  return attention.Unsupported("attn_type", "is '" + kind + "'");
}

// A number, or one of llm-foundry's words for one.
Result<double> LogitScale(const JsonConfig& file, int64_t hidden) {
  if (!file.IsText("logit_scale")) return file.PositiveOr("logit_scale", 1);
  PC_ASSIGN_OR_RETURN(const std::string word, file.TextOr("logit_scale", ""));
  if (word == "inv_sqrt_d_model") return 1 / std::sqrt(static_cast<double>(hidden));
  return file.Unsupported("logit_scale", "is '" + word + "'");
}

Result<ModelShape> Shape(const JsonConfig& file, const JsonConfig& attention) {
  ModelShape shape;
  PC_ASSIGN_OR_RETURN(shape.layers, file.Size("n_layers", kMaxLayers));
  PC_ASSIGN_OR_RETURN(shape.hidden, file.Size("d_model", kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.heads, file.Size("n_heads", kMaxHeads));
  PC_ASSIGN_OR_RETURN(shape.vocabulary, file.Size("vocab_size", kMaxVocabulary));
  PC_ASSIGN_OR_RETURN(shape.context_length, file.Size("max_seq_len", kMaxContext));
  PC_ASSIGN_OR_RETURN(const double ratio, file.PositiveOr("expansion_ratio", 4));
  const double width = ratio * static_cast<double>(shape.hidden);
  if (width < 1 || width > double{kMaxWidth}) {
    return file.Wrong("expansion_ratio", "makes no width from 1 to " + std::to_string(kMaxWidth));
  }
  shape.feed_forward = static_cast<int64_t>(width);
  shape.head_dim = shape.hidden / shape.heads;
  PC_ASSIGN_OR_RETURN(shape.kv_heads, KeyHeads(attention, shape.heads));
  return shape;
}

Result<ModelConfig> FromJson(const JsonConfig& file) {
  ModelConfig config = Common();
  PC_ASSIGN_OR_RETURN(const JsonConfig attention, file.Object("attn_config"));
  PC_RETURN_IF_ERROR(CheckSupported(file, attention));
  PC_ASSIGN_OR_RETURN(config.shape, Shape(file, attention));
  PC_ASSIGN_OR_RETURN(const double bias_max, attention.PositiveOr("alibi_bias_max", 8));
  PC_ASSIGN_OR_RETURN(config.positions, MakeAlibi(config.shape.heads, bias_max, 1));
  PC_ASSIGN_OR_RETURN(config.norm_epsilon, file.PositiveOr("layer_norm_epsilon", 1e-5));
  PC_ASSIGN_OR_RETURN(config.clip_qkv, ClipQkv(attention, "clip_qkv"));
  PC_ASSIGN_OR_RETURN(config.score_scale, attention.PositiveOr("softmax_scale", 0));
  PC_ASSIGN_OR_RETURN(config.qk_norm, attention.FlagOr("qk_ln", false));
  PC_ASSIGN_OR_RETURN(config.logit_scale, LogitScale(file, config.shape.hidden));
  PC_ASSIGN_OR_RETURN(const bool no_bias, file.FlagOr("no_bias", true));
  config.norm_bias = config.qkv_bias = config.output_bias = config.feed_forward_bias = !no_bias;
  PC_ASSIGN_OR_RETURN(config.tied_head, file.FlagOr("tie_word_embeddings", true));
  return config;
}

}  // namespace

const Architecture kMptArchitecture{.name = "mpt",
                                    .gguf_names = kGgufNames,
                                    .json_types = kJsonTypes,
                                    .from_gguf = FromGguf,
                                    .from_json = FromJson,
                                    .tensors = kTensors};

}  // namespace promptcache
