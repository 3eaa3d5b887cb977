// The architectures this project knows, each described in a file of its own in architectures/.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/formats/config_reader.h"
#include "common/formats/model_config.h"

namespace promptcache {

// What a Hugging Face file calls a tensor, and its name here; '#' stands for the layer's number.
struct TensorNaming {
  std::string_view stored;
  std::string_view name;
};
// The name of tensors that hold nothing the model needs.
inline constexpr std::string_view kIgnoredTensor = "";

// Adding one: a file in architectures/ that describes it, and a line in architectures.cpp. The
// layers are built from the description (worker/model/transformer.h).
struct Architecture {
  std::string_view name;
  std::span<const std::string_view> gguf_names;  // general.architecture
  std::span<const std::string_view> json_types;  // model_type
  Result<ModelConfig> (*from_gguf)(const GgufConfig& config);
  Result<ModelConfig> (*from_json)(const JsonConfig& config);
  std::span<const TensorNaming> tensors;
};

extern const Architecture kLlamaArchitecture;
extern const Architecture kFalconArchitecture;
extern const Architecture kMptArchitecture;

// kUnimplemented saying what the file is and what is supported.
Result<ModelConfig> ReadGgufModel(const GgufFile& file);
struct JsonModel {
  const Architecture* architecture = nullptr;
  ModelConfig config;
};
Result<JsonModel> ReadJsonModel(const JsonConfig& config);

// "blk.3.attn_q.weight" for "model.layers.3.self_attn.q_proj.weight"; the name itself when the
// architecture knows no such tensor, kIgnoredTensor when it needs none.
std::string CanonicalName(const Architecture& architecture, std::string_view stored);

// ---- for the descriptions ----

// Limits far above any model, far below what overflows a product.
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxWidth = 1 << 20;
inline constexpr int64_t kMaxHeads = 4096;
inline constexpr int64_t kMaxHeadDim = 1024;
inline constexpr int64_t kMaxVocabulary = 1 << 24;
inline constexpr int64_t kMaxContext = int64_t{1} << 30;

// The shape under GGUF's common keys; vocabulary from token_embd.weight.
Result<ModelShape> ReadGgufShape(const GgufConfig& config);
// Rotary settings under GGUF's common keys, and from rope_freqs.weight.
Result<PositionSettings> ReadGgufRope(const GgufConfig& config, const ModelShape& shape);
// Of config.json: rope_parameters, or rope_theta and rope_scaling.
Result<PositionSettings> ReadJsonRope(const JsonConfig& config, const ModelShape& shape);
// kInvalidArgument when heads and widths do not fit together. `name` is for the message.
Status CheckShape(const ModelShape& shape, const ConfigReader& config);

}  // namespace promptcache
