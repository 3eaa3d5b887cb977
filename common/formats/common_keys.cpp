// What descriptions of architectures share: GGUF's common keys, and rotary settings.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/formats/architectures.h"

namespace promptcache {
namespace {

// The factors of rope_freqs.weight, [dim / 2] F32.
Result<std::vector<double>> ReadFactors(const GgufConfig& config) {
  const GgufTensor* tensor = config.file().FindTensor("rope_freqs.weight");
  if (tensor->type != GgufTensorType::kF32) {
    return Unimplemented(config.file().name() + ": tensor 'rope_freqs.weight' is stored as " +
                         GgufTypeName(tensor->type) + "; F32 can be read");
  }
  std::vector<double> factors;
  for (size_t at = 0; at + sizeof(float) <= tensor->bytes.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, tensor->bytes.data() + at, sizeof(value));
    factors.push_back(value);
  }
  return factors;
}

Result<RopeScaling> ParseScaling(const ConfigReader& config, std::string_view key,
                                 const std::string& name) {
  if (name == "none" || name == "default") return RopeScaling::kNone;
  if (name == "linear") return RopeScaling::kLinear;
  if (name == "ntk") return RopeScaling::kNtk;
  if (name == "dynamic") return RopeScaling::kDynamic;
  if (name == "yarn") return RopeScaling::kYarn;
  if (name == "llama3") return RopeScaling::kLlama3;
  return config.Unsupported(
      key, "is '" + name + "'; none, linear, ntk, dynamic, yarn and llama3 are supported");
}

Status ReadGgufScaling(const GgufConfig& config, RopeDesign& rope) {
  const std::string absent = config.Has("rope.scaling.factor") ? "linear" : "none";
  PC_ASSIGN_OR_RETURN(const std::string name, config.TextOr("rope.scaling.type", absent));
  PC_ASSIGN_OR_RETURN(rope.scaling, ParseScaling(config, "rope.scaling.type", name));
  if (config.Has("rope.scale_linear") && rope.scaling == RopeScaling::kNone) {
    rope.scaling = RopeScaling::kLinear;
    PC_ASSIGN_OR_RETURN(rope.factor, config.Positive("rope.scale_linear"));
    return {};
  }
  if (rope.scaling == RopeScaling::kNone) return {};
  PC_ASSIGN_OR_RETURN(rope.factor, config.Positive("rope.scaling.factor"));
  PC_ASSIGN_OR_RETURN(const int64_t original,
                      config.SizeOr("rope.scaling.original_context_length", kMaxContext, 0));
  rope.original_context = static_cast<double>(original);
  if (rope.scaling == RopeScaling::kYarn && config.Has("rope.scaling.attn_factor")) {
    PC_ASSIGN_OR_RETURN(const double scale, config.Positive("rope.scaling.attn_factor"));
    rope.attention_factor = scale * (0.1 * std::log(std::max(1.0, rope.factor)) + 1);
  }
  return {};
}

// "YaRN": the two scales of DeepSeek's files, as transformers reads them.
Status ReadYarn(const JsonConfig& config, RopeDesign& rope) {
  PC_ASSIGN_OR_RETURN(rope.attention_factor, config.PositiveOr("attention_factor", 0));
  PC_ASSIGN_OR_RETURN(rope.beta_fast, config.PositiveOr("beta_fast", 32));
  PC_ASSIGN_OR_RETURN(rope.beta_slow, config.PositiveOr("beta_slow", 1));
  PC_ASSIGN_OR_RETURN(rope.truncate, config.FlagOr("truncate", true));
  if (!config.Has("mscale") || !config.Has("mscale_all_dim") || rope.attention_factor > 0)
    return {};
  PC_ASSIGN_OR_RETURN(const double scale, config.Positive("mscale"));
  PC_ASSIGN_OR_RETURN(const double all, config.Positive("mscale_all_dim"));
  const double growth = rope.factor <= 1 ? 0 : 0.1 * std::log(rope.factor);
  rope.attention_factor = (growth * scale + 1) / (growth * all + 1);
  return {};
}

Status ReadJsonScaling(const JsonConfig& scaling, const ModelShape& shape, RopeDesign& rope) {
  const auto key = JsonConfig::Spelling(scaling, {"rope_type", "type"});
  PC_ASSIGN_OR_RETURN(const std::string name, scaling.TextOr(key, "none"));
  PC_ASSIGN_OR_RETURN(rope.scaling, ParseScaling(scaling, key, name));
  if (rope.scaling == RopeScaling::kNone) return {};
  const auto trained = static_cast<double>(shape.context_length);
  const char* const kOriginal = "original_max_position_embeddings";
  if (rope.scaling == RopeScaling::kYarn && !scaling.Has("factor")) {
    PC_ASSIGN_OR_RETURN(rope.original_context, scaling.Positive(kOriginal));
    rope.factor = trained / rope.original_context;
  } else {
    PC_ASSIGN_OR_RETURN(rope.factor, scaling.Positive("factor"));
    PC_ASSIGN_OR_RETURN(rope.original_context, scaling.PositiveOr(kOriginal, trained));
  }
  if (rope.scaling == RopeScaling::kYarn) return ReadYarn(scaling, rope);
  if (rope.scaling != RopeScaling::kLlama3) return {};
  PC_ASSIGN_OR_RETURN(rope.low_frequency_factor, scaling.Positive("low_freq_factor"));
  PC_ASSIGN_OR_RETURN(rope.high_frequency_factor, scaling.Positive("high_freq_factor"));
  return {};
}

Result<PositionSettings> Make(const RopeDesign& rope, const ModelShape& shape,
                              const ConfigReader& config) {
  if (rope.dim > shape.head_dim) {
    return config.Contradiction(std::to_string(rope.dim) + " dimensions turn of heads that have " +
                                std::to_string(shape.head_dim));
  }
  auto settings = MakeRope(rope);
  if (!settings.ok()) return config.Contradiction(settings.status().message());
  return settings;
}

}  // namespace

Result<ModelShape> ReadGgufShape(const GgufConfig& config) {
  ModelShape shape;
  PC_ASSIGN_OR_RETURN(shape.layers, config.Size("block_count", kMaxLayers));
  PC_ASSIGN_OR_RETURN(shape.hidden, config.Size("embedding_length", kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.feed_forward, config.Size("feed_forward_length", kMaxWidth));
  PC_ASSIGN_OR_RETURN(shape.context_length, config.Size("context_length", kMaxContext));
  PC_ASSIGN_OR_RETURN(shape.heads, config.Size("attention.head_count", kMaxHeads));
  PC_ASSIGN_OR_RETURN(shape.kv_heads,
                      config.SizeOr("attention.head_count_kv", kMaxHeads, shape.heads));
  PC_ASSIGN_OR_RETURN(shape.head_dim, config.SizeOr("attention.key_length", kMaxHeadDim,
                                                    shape.hidden / shape.heads));
  PC_ASSIGN_OR_RETURN(const int64_t value_dim,
                      config.SizeOr("attention.value_length", kMaxHeadDim, shape.head_dim));
  if (value_dim != shape.head_dim) {
    return config.Unsupported("attention.value_length", "differs from the key length");
  }
  const GgufTensor* embedding = config.file().FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->dims.size() != 2) {
    return InvalidArgument(config.file().name() +
                           ": tensor 'token_embd.weight' is missing or no matrix");
  }
  const uint64_t rows = std::min<uint64_t>(embedding->dims[1], uint64_t{kMaxVocabulary});
  PC_ASSIGN_OR_RETURN(shape.vocabulary,
                      config.SizeOr("vocab_size", kMaxVocabulary, static_cast<int64_t>(rows)));
  PC_RETURN_IF_ERROR(CheckShape(shape, config));
  return shape;
}

Result<PositionSettings> ReadGgufRope(const GgufConfig& config, const ModelShape& shape) {
  RopeDesign rope;
  PC_ASSIGN_OR_RETURN(rope.dim, config.SizeOr("rope.dimension_count", kMaxHeadDim, shape.head_dim));
  PC_ASSIGN_OR_RETURN(rope.theta, config.PositiveOr("rope.freq_base", 10000));
  PC_RETURN_IF_ERROR(ReadGgufScaling(config, rope));
  if (config.HasTensor("rope_freqs.weight")) {
    if (rope.scaling != RopeScaling::kNone) {
      return config.Unsupported("rope.scaling.type", "together with tensor 'rope_freqs.weight'");
    }
    rope.scaling = RopeScaling::kFactors;
    PC_ASSIGN_OR_RETURN(rope.factors, ReadFactors(config));
  }
  return Make(rope, shape, config);
}

Result<PositionSettings> ReadJsonRope(const JsonConfig& config, const ModelShape& shape) {
  const auto key = JsonConfig::Spelling(config, {"rope_parameters", "rope_scaling"});
  PC_ASSIGN_OR_RETURN(const JsonConfig scaling, config.Object(key));
  RopeDesign rope;
  PC_ASSIGN_OR_RETURN(const double theta, config.PositiveOr("rope_theta", 10000));
  PC_ASSIGN_OR_RETURN(rope.theta, scaling.PositiveOr("rope_theta", theta));
  PC_ASSIGN_OR_RETURN(const double outer, config.PositiveOr("partial_rotary_factor", 1));
  PC_ASSIGN_OR_RETURN(const double part, scaling.PositiveOr("partial_rotary_factor", outer));
  rope.dim = static_cast<int64_t>(std::min(part, 2.0) * static_cast<double>(shape.head_dim));
  PC_RETURN_IF_ERROR(ReadJsonScaling(scaling, shape, rope));
  return Make(rope, shape, config);
}

}  // namespace promptcache
