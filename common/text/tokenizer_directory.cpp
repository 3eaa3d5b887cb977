#include "common/text/tokenizer_directory.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "common/formats/mapped_file.h"
#include "common/text/json_members.h"
#include "common/text/sentencepiece_model.h"
#include "common/text/tokenizer_json.h"
#include "common/text/utf8.h"

namespace promptcache {
namespace {

using nlohmann::json;

constexpr const char* kNamed[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

class Directory {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {}

  std::string PathOf(const char* name) const {
    return (std::filesystem::path(path_) / name).string();
  }
  bool Has(const char* name) const {
    std::error_code error;
    return std::filesystem::exists(PathOf(name), error);
  }
  // Whose bytes live as long as the result.
  Result<std::shared_ptr<const MappedFile>> Open(const char* name) const {
    return MappedFile::Open(PathOf(name));
  }
  // An object; an empty one where there is no such file.
  Result<json> Object(const char* name) const {
    if (!Has(name)) return json::object();
    PC_ASSIGN_OR_RETURN(const auto file, Open(name));
    auto value = ParseJson(TextOf(*file));
    if (!value.ok()) return value.status().WithContext(name);
    if (!value->is_object()) return JsonFault(name, "not an object");
    return value;
  }
  static std::string_view TextOf(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  }

 private:
  const std::string path_;
};

// The files beside the vocabulary.
struct Settings {
  json tokenizer;  // tokenizer_config.json
  json specials;   // special_tokens_map.json
  json added;      // added_tokens.json
};

Result<Settings> ReadSettings(const Directory& directory) {
  Settings settings;
  PC_ASSIGN_OR_RETURN(settings.tokenizer, directory.Object("tokenizer_config.json"));
  PC_ASSIGN_OR_RETURN(settings.specials, directory.Object("special_tokens_map.json"));
  PC_ASSIGN_OR_RETURN(settings.added, directory.Object("added_tokens.json"));
  return settings;
}

// tokenizer_class without "Fast" at its end; empty where there is none.
Result<std::string> ClassOf(const Settings& settings) {
  if (JsonMember(settings.tokenizer, "tokenizer_class").is_null()) return std::string();
  PC_ASSIGN_OR_RETURN(std::string name,
                      JsonText(settings.tokenizer, "tokenizer_class", "tokenizer_config.json"));
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

Status UnknownClass(const std::string& name, const char* known) {
  return Unimplemented("tokenizer_config.json: tokenizer_class '" + Shown(name) +
                       "' is not supported with this vocabulary; " + known + " are");
}

Status ApplySentencePieceClass(const Settings& settings, BpeDefinition& definition) {
  PC_ASSIGN_OR_RETURN(const std::string name, ClassOf(settings));
  if (!name.empty() && name != "LlamaTokenizer" && name != "CodeLlamaTokenizer") {
    return UnknownClass(name, "LlamaTokenizer and CodeLlamaTokenizer");
  }
  PC_ASSIGN_OR_RETURN(definition.space_before_text,
                      JsonFlag(settings.tokenizer, "add_prefix_space", definition.space_before_text,
                               "tokenizer_config.json"));
  return {};
}

Status ApplyByteLevelClass(const Settings& settings, BpeDefinition& definition) {
  PC_RETURN_IF_ERROR(
      CheckJsonUnset(settings.tokenizer, {"add_prefix_space"}, "tokenizer_config.json"));
  PC_ASSIGN_OR_RETURN(const std::string name, ClassOf(settings));
  if (name == "GPT2Tokenizer") {
    definition.pretokenizer = "gpt-2";
  } else if (name == "GPTNeoXTokenizer") {
    definition.pretokenizer = "mpt";
  } else if (name == "Qwen2Tokenizer") {
    definition.pretokenizer = "qwen2";
  } else {
    return UnknownClass(name, "GPT2Tokenizer, GPTNeoXTokenizer and Qwen2Tokenizer");
  }
  definition.nfc = name != "GPT2Tokenizer";
  return {};
}

// The added tokens by id. Each is checked.
Result<std::map<uint64_t, json>> AddedTokens(const Settings& settings) {
  std::map<uint64_t, json> added;
  const auto add = [&](const json& id, json token) -> Status {
    PC_RETURN_IF_ERROR(CheckAddedToken(token));
    if (id.is_number_unsigned() && added.emplace(id.get<uint64_t>(), token).second) return {};
    return JsonFault("added_tokens",
                     "'" + Shown(token["content"].get<std::string>()) + "' has no id of its own");
  };
  const json& decoder = JsonMember(settings.tokenizer, "added_tokens_decoder");
  if (decoder.is_null()) {
    for (const auto& [content, id] : settings.added.items()) {
      PC_RETURN_IF_ERROR(add(id, json{{"content", content}}));
    }
    return added;
  }
  if (!decoder.is_object()) return JsonFault("added_tokens_decoder", "not an object");
  for (const auto& [digits, token] : decoder.items()) {
    uint64_t id = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    const bool number = error == std::errc() && end == digits.data() + digits.size();
    PC_RETURN_IF_ERROR(add(number ? json(id) : json(), token));
  }
  return added;
}

// Of a special token: as a string, or an added token's `content`.
std::string ContentOf(const json& token) {
  const json& content = token.is_object() ? JsonMember(token, "content") : token;
  return content.is_string() ? content.get<std::string>() : "";
}

std::vector<std::string> SpecialTokens(const Settings& settings) {
  std::vector<std::string> contents;
  for (const json* file : {&settings.tokenizer, &settings.specials}) {
    for (const char* name : kNamed) contents.push_back(ContentOf(JsonMember(*file, name)));
    const json& more = JsonMember(*file, "additional_special_tokens");
    for (size_t i = 0; more.is_array() && i < more.size(); ++i) {
      contents.push_back(ContentOf(more[i]));
    }
  }
  std::erase(contents, "");
  return contents;
}

std::unordered_map<std::string, size_t> IdsOf(const BpeDefinition& definition) {
  std::unordered_map<std::string, size_t> ids;
  for (size_t id = 0; id < definition.tokens.size(); ++id) ids.emplace(definition.tokens[id], id);
  return ids;
}

void AppendToken(const std::string& content, TokenKind kind, BpeDefinition& definition) {
  definition.tokens.push_back(content);
  definition.kinds.push_back(kind);
  if (!definition.scores.empty()) definition.scores.push_back(0);
}

Status AddTokens(const Settings& settings, BpeDefinition& definition) {
  PC_ASSIGN_OR_RETURN(const auto added, AddedTokens(settings));
  for (const auto& [id, token] : added) {
    const auto content = token["content"].get<std::string>();
    const TokenKind kind =
        JsonMember(token, "special") == true ? TokenKind::kSpecial : TokenKind::kUserDefined;
    if (id == definition.tokens.size()) {
      AppendToken(content, kind, definition);
    } else if (id < definition.tokens.size() && definition.tokens[id] == content) {
      definition.kinds[id] = kind;
    } else {
      return JsonFault("added_tokens", "'" + Shown(content) + "' cannot have the id " +
                                           std::to_string(id) + " in this vocabulary");
    }
  }
  auto ids = IdsOf(definition);
  for (const std::string& content : SpecialTokens(settings)) {
    const auto [known, missing] = ids.emplace(content, definition.tokens.size());
    if (missing) AppendToken(content, TokenKind::kSpecial, definition);
    definition.kinds[known->second] = TokenKind::kSpecial;
  }
  return {};
}

// Appends what eos_token_id of the file says.
Status ReadEndIds(const Directory& directory, const char* name, std::vector<TokenId>& end) {
  PC_ASSIGN_OR_RETURN(const json file, directory.Object(name));
  const json& value = JsonMember(file, "eos_token_id");
  if (value.is_null()) return {};
  for (const json& id : value.is_array() ? value : json::array({value})) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > INT32_MAX) {
      return JsonFault(name, "eos_token_id: not a token's id");
    }
    end.push_back(id.get<TokenId>());
  }
  return {};
}

Status AddEndIds(const Directory& directory, const Settings& settings, BpeDefinition& definition) {
  std::vector<TokenId> end = WellKnownEndIds(definition);
  for (const char* name : {"generation_config.json", "config.json"}) {
    PC_RETURN_IF_ERROR(ReadEndIds(directory, name, end));
  }
  const auto ids = IdsOf(definition);
  for (const json* file : {&settings.tokenizer, &settings.specials}) {
    const auto found = ids.find(ContentOf(JsonMember(*file, "eos_token")));
    if (found != ids.end()) end.push_back(static_cast<TokenId>(found->second));
  }
  std::sort(end.begin(), end.end());
  end.erase(std::unique(end.begin(), end.end()), end.end());
  definition.end = std::move(end);
  return {};
}

Result<BpeDefinition> ReadJsonFile(const Directory& directory) {
  PC_ASSIGN_OR_RETURN(const auto file, directory.Open("tokenizer.json"));
  auto definition = ReadTokenizerJson(Directory::TextOf(*file));
  if (!definition.ok()) return definition.status().WithContext("tokenizer.json");
  return definition;
}

Result<BpeDefinition> ReadModelFile(const Directory& directory, const Settings& settings) {
  PC_ASSIGN_OR_RETURN(const auto file, directory.Open("tokenizer.model"));
  auto definition = ReadSentencePieceModel(Directory::TextOf(*file));
  if (!definition.ok()) return definition.status().WithContext("tokenizer.model");
  PC_RETURN_IF_ERROR(ApplySentencePieceClass(settings, *definition));
  PC_RETURN_IF_ERROR(AddTokens(settings, *definition));
  return definition;
}

Result<BpeDefinition> ReadVocabularyFiles(const Directory& directory, const Settings& settings) {
  PC_ASSIGN_OR_RETURN(const auto vocabulary, directory.Open("vocab.json"));
  PC_ASSIGN_OR_RETURN(const auto merges, directory.Open("merges.txt"));
  PC_ASSIGN_OR_RETURN(BpeDefinition definition,
                      ReadVocabulary(Directory::TextOf(*vocabulary), Directory::TextOf(*merges)));
  PC_RETURN_IF_ERROR(ApplyByteLevelClass(settings, definition));
  PC_RETURN_IF_ERROR(AddTokens(settings, definition));
  return definition;
}

Result<BpeDefinition> ReadFiles(const Directory& directory, const Settings& settings) {
  if (directory.Has("tokenizer.json")) return ReadJsonFile(directory);
  if (directory.Has("tokenizer.model")) return ReadModelFile(directory, settings);
  if (directory.Has("vocab.json")) return ReadVocabularyFiles(directory, settings);
  return NotFound(
      "no tokenizer is here: neither tokenizer.json, nor tokenizer.model, nor vocab.json with "
      "merges.txt");
}

Result<BpeDefinition> Read(const Directory& directory) {
  PC_ASSIGN_OR_RETURN(const Settings settings, ReadSettings(directory));
  PC_ASSIGN_OR_RETURN(BpeDefinition definition, ReadFiles(directory, settings));
  PC_RETURN_IF_ERROR(AddEndIds(directory, settings, definition));
  return definition;
}

}  // namespace

Result<BpeDefinition> ReadVocabulary(std::string_view vocabulary, std::string_view merges) {
  BpeDefinition definition;
  auto ids = ParseJson(vocabulary);
  if (!ids.ok()) return ids.status().WithContext("vocab.json");
  const Status read = ReadTokens(*ids, json(), definition);
  if (!read.ok()) return read.WithContext("vocab.json");
  while (!merges.empty()) {
    const size_t end = std::min(merges.find('\n'), merges.size());
    std::string_view line = merges.substr(0, end);
    merges.remove_prefix(std::min(end + 1, merges.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    if (!IsUtf8(line)) return InvalidArgument("merges.txt is not UTF-8");
    definition.merges.emplace_back(line);
  }
  return definition;
}

Result<BpeDefinition> ReadTokenizerDirectory(const std::string& path) {
  try {
    auto definition = Read(Directory(path));
    if (!definition.ok()) return definition.status().WithContext(path);
    return definition;
  } catch (const std::exception& error) {
    return InvalidArgument(path + ": " + error.what());
  }
}

}  // namespace promptcache
