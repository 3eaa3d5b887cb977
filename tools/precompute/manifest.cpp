#include "tools/precompute/manifest.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

#include "common/edit_distance.h"
#include "tools/cli/commands.h"
#include "tools/cli/stages.h"

namespace promptcache {
namespace {

constexpr size_t kMaxManifestBytes = 1 << 20;
constexpr size_t kMaxTextBytes = 64 << 10;  // of one string
constexpr size_t kMaxEntries = 4'096;       // of one list
constexpr int64_t kMaxRunTokens = int64_t{1} << 24;

constexpr std::array kEncodings = {EncodingMode::kAnchored, EncodingMode::kIndependent,
                                   EncodingMode::kSchema};
constexpr std::array kPositions = {Positions::kSchema, Positions::kPacked};

std::string DidYouMean(std::string_view word, std::span<const std::string> known) {
  const std::string nearest = NearestWord(word, known);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

// Reads the tables of one manifest; every error names file and line.
class Reader {
 public:
  explicit Reader(const std::string& file)
      : file_(file), folder_(std::filesystem::path(file).parent_path()) {}

  Result<Manifest> Read(const toml::table& root) const {
    PC_RETURN_IF_ERROR(CheckKeys(root, "the manifest", {"model", "schema"}));
    Manifest manifest;
    PC_RETURN_IF_ERROR(ForEachTable(root, "model", [&](const toml::table& table) -> Status {
      PC_ASSIGN_OR_RETURN(ManifestModel model, ReadModel(table));
      for (const ManifestModel& other : manifest.models) {
        if (other.name == model.name) return Error(table, "two models are named " + model.name);
      }
      manifest.models.push_back(std::move(model));
      return {};
    }));
    PC_RETURN_IF_ERROR(ForEachTable(root, "schema", [&](const toml::table& table) -> Status {
      PC_ASSIGN_OR_RETURN(ManifestSchema schema, ReadSchema(table, manifest.models));
      manifest.schemas.push_back(std::move(schema));
      return {};
    }));
    if (!manifest.schemas.empty()) return manifest;
    return InvalidArgument(file_ + ": names no schema; add a table [[schema]] with file = \"...\"");
  }

 private:
  Status Error(const toml::node& node, const std::string& what) const {
    return InvalidArgument(
        fmt::format("{}:{}: {}", file_, static_cast<unsigned>(node.source().begin.line), what));
  }

  Status CheckKeys(const toml::table& table, std::string_view what,
                   const std::vector<std::string>& known) const {
    for (const auto& [key, node] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      return Error(
          node, fmt::format("{} has no key '{}'{}", what, key.str(), DidYouMean(key.str(), known)));
    }
    return {};
  }

  template <typename Function>
  Status ForEachTable(const toml::table& root, const char* name, const Function& function) const {
    const toml::node* node = root.get(name);
    if (node == nullptr) return {};
    const toml::array* tables = node->as_array();
    if (tables == nullptr)
      return Error(*node, fmt::format("write [[{}]], with two brackets", name));
    if (tables->size() > kMaxEntries) {
      return Error(*node, fmt::format("{} tables [[{}]], the limit is {}", tables->size(), name,
                                      kMaxEntries));
    }
    for (const toml::node& entry : *tables) {
      if (!entry.is_table()) return Error(entry, fmt::format("{} is not a table", name));
      PC_RETURN_IF_ERROR(function(*entry.as_table()));
    }
    return {};
  }

  Result<std::string> TextOf(const toml::node& node, std::string_view key) const {
    const auto* text = node.as_string();
    if (text == nullptr) return Error(node, fmt::format("{} is not a string", key));
    if (text->get().size() <= kMaxTextBytes) return text->get();
    return Error(node, fmt::format("{} is longer than {} bytes", key, kMaxTextBytes));
  }

  // `fallback` when the key is absent.
  Result<std::string> Text(const toml::table& table, const char* key, std::string fallback) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return fallback;
    return TextOf(*node, key);
  }

  Result<std::vector<std::string>> Texts(const toml::table& table, const char* key) const {
    std::vector<std::string> texts;
    const toml::node* node = table.get(key);
    if (node == nullptr) return texts;
    const toml::array* list = node->as_array();
    if (list == nullptr || list->empty() || list->size() > kMaxEntries) {
      return Error(*node, fmt::format("{} is not a list of 1 to {} strings", key, kMaxEntries));
    }
    for (const toml::node& entry : *list) {
      PC_ASSIGN_OR_RETURN(std::string text, TextOf(entry, key));
      texts.push_back(std::move(text));
    }
    return texts;
  }

  // A list of words, each the name of one of `values`.
  template <typename Values, typename NameOf>
  auto Choices(const toml::table& table, const char* key, const Values& values,
               const NameOf& name_of) const -> Result<std::vector<typename Values::value_type>> {
    std::vector<std::string> names;
    for (const auto value : values) names.emplace_back(name_of(value));
    PC_ASSIGN_OR_RETURN(const std::vector<std::string> words, Texts(table, key));
    std::vector<typename Values::value_type> chosen;
    for (const std::string& word : words) {
      const auto found = std::find(names.begin(), names.end(), word);
      if (found == names.end()) {
        return Error(*table.get(key),
                     fmt::format("{}: '{}' is not one of {}", key, word, fmt::join(names, ", ")));
      }
      chosen.push_back(values[static_cast<size_t>(found - names.begin())]);
    }
    return chosen;
  }

  std::string Below(const std::string& path) const { return (folder_ / path).string(); }

  Result<std::string> RequiredPath(const toml::table& table, const char* key) const {
    PC_ASSIGN_OR_RETURN(const std::string path, Text(table, key, ""));
    if (path.empty()) return Error(table, fmt::format("{} is missing or empty", key));
    return Below(path);
  }

  Result<ManifestModel> ReadModel(const toml::table& table) const {
    PC_RETURN_IF_ERROR(
        CheckKeys(table, "a model", {"name", "path", "dtype", "template", "compression"}));
    ManifestModel model;
    PC_ASSIGN_OR_RETURN(model.path, RequiredPath(table, "path"));
    PC_ASSIGN_OR_RETURN(model.name,
                        Text(table, "name", std::filesystem::path(model.path).filename().string()));
    PC_ASSIGN_OR_RETURN(model.dtype, Text(table, "dtype", model.dtype));
    PC_ASSIGN_OR_RETURN(model.chat_template, Text(table, "template", model.chat_template));
    if (model.chat_template.ends_with(".toml")) model.chat_template = Below(model.chat_template);
    PC_ASSIGN_OR_RETURN(const std::string compression, Text(table, "compression", "none"));
    const auto parsed = ParseCompression(compression);
    if (!parsed.ok()) return Error(*table.get("compression"), parsed.status().message());
    model.compression = *parsed;
    return model;
  }

  Result<ManifestSchema> ReadSchema(const toml::table& table,
                                    const std::vector<ManifestModel>& models) const {
    PC_RETURN_IF_ERROR(CheckKeys(
        table, "a schema",
        {"file", "src_root", "max_tokens", "models", "encodings", "positions", "scaffolds"}));
    ManifestSchema schema;
    PC_ASSIGN_OR_RETURN(schema.file, RequiredPath(table, "file"));
    PC_ASSIGN_OR_RETURN(const std::string src_root, Text(table, "src_root", ""));
    if (!src_root.empty()) schema.src_root = Below(src_root);
    PC_RETURN_IF_ERROR(ReadMaxTokens(table, schema));
    PC_ASSIGN_OR_RETURN(schema.models, Texts(table, "models"));
    PC_RETURN_IF_ERROR(CheckModels(table, schema, models));
    PC_ASSIGN_OR_RETURN(schema.encodings,
                        Choices(table, "encodings", kEncodings, EncodingModeName));
    PC_ASSIGN_OR_RETURN(schema.positions, Choices(table, "positions", kPositions, PositionsName));
    PC_RETURN_IF_ERROR(ReadScaffolds(table, schema));
    return schema;
  }

  Status ReadMaxTokens(const toml::table& table, ManifestSchema& schema) const {
    const toml::node* node = table.get("max_tokens");
    if (node == nullptr) return {};
    const auto* number = node->as_integer();
    if (number == nullptr || number->get() < 2 || number->get() > kMaxRunTokens) {
      return Error(*node, fmt::format("max_tokens is not an integer in 2..{}", kMaxRunTokens));
    }
    schema.max_tokens = static_cast<uint32_t>(number->get());
    return {};
  }

  Status CheckModels(const toml::table& table, const ManifestSchema& schema,
                     const std::vector<ManifestModel>& models) const {
    std::vector<std::string> known;
    for (const ManifestModel& model : models) known.push_back(model.name);
    for (const std::string& name : schema.models) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      return Error(*table.get("models"),
                   fmt::format("no [[model]] is named '{}'{}", name, DidYouMean(name, known)));
    }
    return {};
  }

  Status ReadScaffolds(const toml::table& table, ManifestSchema& schema) const {
    const toml::node* node = table.get("scaffolds");
    if (node == nullptr) return {};
    const toml::table* texts = node->as_table();
    if (texts == nullptr || texts->size() > kMaxEntries) {
      return Error(*node, fmt::format("scaffolds is not a table of at most {} texts", kMaxEntries));
    }
    for (const auto& [path, value] : *texts) {
      PC_ASSIGN_OR_RETURN(std::string text, TextOf(value, path.str()));
      schema.scaffolds.emplace(path.str(), std::move(text));
    }
    return {};
  }

  const std::string& file_;
  const std::filesystem::path folder_;
};

}  // namespace

Result<Manifest> ParseManifest(std::string_view toml, const std::string& file) {
  if (toml.size() > kMaxManifestBytes) {
    return InvalidArgument(file + ": a manifest has at most 1 MiB");
  }
  try {
    return Reader(file).Read(toml::parse(toml, file));
  } catch (const toml::parse_error& error) {
    return InvalidArgument(fmt::format("{}:{}: not valid TOML: {}", file,
                                       static_cast<unsigned>(error.source().begin.line),
                                       error.description()));
  } catch (const std::exception& error) {
    return InvalidArgument(fmt::format("{}: {}", file, error.what()));
  }
}

Result<Manifest> ReadManifest(const std::string& path) {
  PC_ASSIGN_OR_RETURN(const std::string text, ReadInput(path));
  return ParseManifest(text, path);
}

}  // namespace promptcache
