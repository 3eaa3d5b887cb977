#include "common/formats/architectures.h"

#include <algorithm>

namespace promptcache {
namespace {

const Architecture* const kArchitectures[] = {
    &kLlamaArchitecture,
    &kFalconArchitecture,
    &kMptArchitecture,
};

using Names = std::span<const std::string_view>;

const Architecture* Find(std::string_view name, Names Architecture::*names) {
  for (const Architecture* architecture : kArchitectures) {
    const Names known = architecture->*names;
    if (std::find(known.begin(), known.end(), name) != known.end()) return architecture;
  }
  return nullptr;
}

std::string Known(Names Architecture::*names) {
  std::string text;
  for (const Architecture* architecture : kArchitectures) {
    for (const std::string_view name : architecture->*names) {
      text += (text.empty() ? "" : ", ") + std::string(name);
    }
  }
  return text;
}

// Keeps every token within one regime of positions: keys of another would not fit its queries.
void FitContext(ModelConfig& config) {
  const int64_t end = config.positions.regime_end;
  if (end > 0) config.shape.context_length = std::min(config.shape.context_length, end);
}

}  // namespace

Result<ModelConfig> ReadGgufModel(const GgufFile& file) {
  const auto name = file.GetString("general.architecture");
  if (!name.ok()) return name.status().WithContext(file.name());
  const Architecture* architecture = Find(*name, &Architecture::gguf_names);
  if (architecture == nullptr) {
    return Unimplemented(file.name() + ": a GGUF model of architecture '" + *name +
                         "'; supported: " + Known(&Architecture::gguf_names));
  }
  const GgufConfig reader(file, *name);
  PC_ASSIGN_OR_RETURN(ModelConfig config, architecture->from_gguf(reader));
  FitContext(config);
  return config;
}

Result<JsonModel> ReadJsonModel(const JsonConfig& reader) {
  PC_ASSIGN_OR_RETURN(const std::string type, reader.TextOr("model_type", ""));
  const Architecture* architecture = Find(type, &Architecture::json_types);
  if (architecture == nullptr) {
    return reader.Unsupported(
        "model_type", type.empty()
                          ? "is missing: not the config.json of a language model"
                          : "is '" + type + "'; supported: " + Known(&Architecture::json_types));
  }
  PC_ASSIGN_OR_RETURN(ModelConfig config, architecture->from_json(reader));
  PC_RETURN_IF_ERROR(CheckShape(config.shape, reader));
  FitContext(config);
  return JsonModel{architecture, std::move(config)};
}

std::string CanonicalName(const Architecture& architecture, std::string_view stored) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  // The first number that is a whole part of the name is the layer's.
  std::string pattern(stored), layer;
  for (size_t dot = stored.find('.'); dot != std::string_view::npos;
       dot = stored.find('.', dot + 1)) {
    const size_t end = stored.find('.', dot + 1);
    const std::string_view part = stored.substr(dot + 1, end - dot - 1);
    if (part.empty() || !std::all_of(part.begin(), part.end(), digit)) continue;
    layer = part;
    pattern.replace(dot + 1, part.size(), "#");
    break;
  }
  for (const TensorNaming& naming : architecture.tensors) {
    if (naming.stored != pattern) continue;
    std::string name(naming.name);
    if (const size_t hash = name.find('#'); hash != std::string::npos) name.replace(hash, 1, layer);
    return name;
  }
  return std::string(stored);
}

Status CheckShape(const ModelShape& s, const ConfigReader& config) {
  if (s.heads % s.kv_heads == 0 && s.head_dim >= 2 && s.head_dim <= kMaxHeadDim) return {};
  return config.Contradiction(std::to_string(s.heads) + " heads and " + std::to_string(s.kv_heads) +
                              " key heads of " + std::to_string(s.head_dim) +
                              " dimensions do not fit together");
}

}  // namespace promptcache
