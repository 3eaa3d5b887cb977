#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/formats/gguf.h"
#include "common/formats/mapped_file.h"
#include "common/text/templates.h"

namespace promptcache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxConfigBytes = 16 << 20;

Result<std::string> ReadWhole(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  if (file->bytes().size() > kMaxConfigBytes) {
    return ResourceExhausted(path + " has " + std::to_string(file->bytes().size()) +
                             " bytes, at most " + std::to_string(kMaxConfigBytes) + " are read");
  }
  return std::string(file->bytes().begin(), file->bytes().end());
}

// The text of one template: a string, or the one called default of a list of names and templates.
const json* DefaultTemplate(const json& templates) {
  if (!templates.is_array()) return &templates;
  for (const json& entry : templates) {
    if (!entry.is_object() || entry.value("name", json()) != "default") continue;
    const auto found = entry.find("template");
    return found == entry.end() ? nullptr : &*found;
  }
  return nullptr;
}

Result<std::string> OfTokenizerConfig(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const std::string text, ReadWhole(path));
  const json config = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return InvalidArgument(path + " is not a JSON object");
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return std::string();
  const json* chosen = DefaultTemplate(*found);
  if (chosen == nullptr) return std::string();
  if (chosen->is_string()) return chosen->get<std::string>();
  return InvalidArgument(path + ": 'chat_template' is neither a text nor a list of them");
}

}  // namespace

Result<std::string> ReadModelTemplate(const std::string& model_path) {
  std::error_code ignored;
  if (!fs::is_directory(model_path, ignored)) {
    PC_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(model_path));
    constexpr char kKey[] = "tokenizer.chat_template";
    return file->Has(kKey) ? file->GetString(kKey) : Result<std::string>(std::string());
  }
  const fs::path own_file = fs::path(model_path) / "chat_template.jinja";
  if (fs::exists(own_file, ignored)) return ReadWhole(own_file.string());
  const fs::path config = fs::path(model_path) / "tokenizer_config.json";
  if (fs::exists(config, ignored)) return OfTokenizerConfig(config.string());
  return std::string();
}

}  // namespace promptcache
