#include "common/text/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/text/bpe_alphabet.h"
#include "common/text/llama_tokenizer.h"
#include "common/text/pretokenizer.h"
#include "common/text/utf8.h"

namespace promptcache {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr int kMaxDepth = 32;
constexpr size_t kMaxShownBytes = 200;  // of the file in a message

std::string Shown(std::string_view text) { return AbbreviateUtf8(text, kMaxShownBytes); }

Status Fault(const std::string& where, const std::string& what) {
  return InvalidArgument(where + ": " + what);
}

// A member of `object`, or null. REQUIRES: `object` is an object or null.
const json& Member(const json& object, const std::string& key) {
  static const json none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

// Options that nobody here has heard of may change the ids.
Status CheckMembers(const json& object, const std::string& where,
                    std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return Fault(where, "not an object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return Unimplemented(where + ": the option '" + Shown(key) + "' is not supported");
  }
  return {};
}

// `fallback` where the member is absent or null.
Result<bool> Flag(const json& object, const char* key, bool fallback, const std::string& where) {
  const json& value = Member(object, key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) return Fault(where + "." + key, "not true or false");
  return value.get<bool>();
}

Result<std::string> Text(const json& object, const char* key, const std::string& where) {
  const json& value = Member(object, key);
  if (!value.is_string()) return Fault(where + "." + key, "not a string");
  return value.get<std::string>();
}

// Of an option that only has an effect when it is set.
Status CheckUnset(const json& object, std::initializer_list<const char*> keys,
                  const std::string& where) {
  for (const char* key : keys) {
    const json& value = Member(object, key);
    if (value.is_null() || value == false || value == 0 || value == "") continue;
    return Unimplemented(where + ": the option '" + key + "' is not supported");
  }
  return {};
}

// The steps of a normalizer or pre-tokenizer: those of its Sequence, itself, or none.
Result<std::vector<const json*>> StepsOf(const json& whole, const char* list,
                                         const std::string& where) {
  std::vector<const json*> steps;
  if (whole.is_null()) return steps;
  if (!whole.is_object()) return Fault(where, "not an object");
  if (Member(whole, "type") != "Sequence") return std::vector<const json*>{&whole};
  PC_RETURN_IF_ERROR(CheckMembers(whole, where, {"type", list}));
  const json& members = Member(whole, list);
  if (!members.is_array()) return Fault(where + "." + list, "not an array");
  for (const json& member : members) {
    if (!member.is_object()) return Fault(where + "." + list, "a member is not an object");
    steps.push_back(&member);
  }
  return steps;
}

// A pre-tokenizer's step as class Pretokenizer names it.
Result<std::string> StepName(const json& step) {
  const std::string where = "pre_tokenizer";
  PC_ASSIGN_OR_RETURN(const std::string type, Text(step, "type", where));
  const std::string at = where + " " + Shown(type);
  if (type == "ByteLevel") {
    PC_RETURN_IF_ERROR(
        CheckMembers(step, at, {"type", "add_prefix_space", "trim_offsets", "use_regex"}));
    PC_ASSIGN_OR_RETURN(const bool prefix, Flag(step, "add_prefix_space", true, at));
    if (prefix) return Unimplemented(at + ": the option 'add_prefix_space' is not supported");
    PC_ASSIGN_OR_RETURN(const bool words, Flag(step, "use_regex", true, at));
    return std::string(words ? Pretokenizer::kWords : Pretokenizer::kBytes);
  }
  if (type == "Digits") {
    PC_RETURN_IF_ERROR(CheckMembers(step, at, {"type", "individual_digits"}));
    PC_ASSIGN_OR_RETURN(const bool one, Flag(step, "individual_digits", false, at));
    return std::string(one ? Pretokenizer::kOneDigit : Pretokenizer::kDigits);
  }
  if (type == "Punctuation") {
    PC_RETURN_IF_ERROR(CheckMembers(step, at, {"type", "behavior"}));
    if (Member(step, "behavior") == "Contiguous") return std::string(Pretokenizer::kPunctuation);
    return Unimplemented(at + ": only the behavior 'Contiguous' is supported");
  }
  if (type == "Split") {
    PC_RETURN_IF_ERROR(CheckMembers(step, at, {"type", "pattern", "behavior", "invert"}));
    PC_RETURN_IF_ERROR(CheckUnset(step, {"invert"}, at));
    const json& pattern = Member(step, "pattern");
    PC_RETURN_IF_ERROR(CheckMembers(pattern, at + ".pattern", {"Regex"}));
    if (Member(step, "behavior") == "Isolated") return Text(pattern, "Regex", at + ".pattern");
    return Unimplemented(at + ": only the behavior 'Isolated' is supported");
  }
  return Unimplemented(where + ": the type '" + Shown(type) + "' is not supported");
}

Result<std::string> ReadPretokenizer(const json& root) {
  PC_ASSIGN_OR_RETURN(const auto steps,
                      StepsOf(Member(root, "pre_tokenizer"), "pretokenizers", "pre_tokenizer"));
  std::vector<std::string> names;
  for (const json* step : steps) {
    PC_ASSIGN_OR_RETURN(std::string name, StepName(*step));
    names.push_back(std::move(name));
  }
  if (names.empty()) return std::string();
  auto name = Pretokenizer::NameOf(names);
  if (!name.ok()) return Unimplemented(Shown("pre_tokenizer: " + name.status().message()));
  return name;
}

enum class Normalizer : uint8_t { kNone, kNfc, kLlama };

bool IsReplaceOfSpaces(const json& step) {
  const json& pattern = Member(step, "pattern");
  return Member(step, "type") == "Replace" && step.size() == 3 && pattern.is_object() &&
         pattern.size() == 1 && Member(pattern, "String") == " " &&
         Member(step, "content") == "\u2581";
}

Result<Normalizer> ReadNormalizer(const json& root) {
  PC_ASSIGN_OR_RETURN(const auto steps,
                      StepsOf(Member(root, "normalizer"), "normalizers", "normalizer"));
  if (steps.empty()) return Normalizer::kNone;
  std::string types;
  for (const json* step : steps) {
    PC_ASSIGN_OR_RETURN(const std::string type, Text(*step, "type", "normalizer"));
    types += (types.empty() ? "" : ", ") + type;
  }
  if (types == "NFC" && steps[0]->size() == 1) return Normalizer::kNfc;
  if (types == "Prepend, Replace" && Member(*steps[0], "prepend") == "\u2581" &&
      steps[0]->size() == 2 && IsReplaceOfSpaces(*steps[1])) {
    return Normalizer::kLlama;
  }
  return Unimplemented("normalizer: [" + Shown(types) + "] as it is set here is not supported");
}

// Puts a token where its id says. Ids are dense: `tokens` has the size of all.
Status Place(const std::string& token, const json& id, std::vector<std::string>& tokens,
             std::vector<bool>& taken) {
  const bool number = id.is_number_unsigned() && id.get<uint64_t>() < tokens.size();
  if (!number || taken[id.get<size_t>()]) {
    return Fault("the vocabulary", "the token '" + Shown(token) + "' has no id of its own below " +
                                       std::to_string(tokens.size()));
  }
  taken[id.get<size_t>()] = true;
  tokens[id.get<size_t>()] = token;
  return {};
}

Status CheckAdded(const json& added, Normalizer normalizer) {
  const std::string where = "added_tokens";
  PC_RETURN_IF_ERROR(CheckMembers(
      added, where, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
  PC_ASSIGN_OR_RETURN(const std::string content, Text(added, "content", where));
  const std::string at = where + " '" + Shown(content) + "'";
  if (content.empty()) return Fault(where, "a token without content");
  PC_RETURN_IF_ERROR(CheckUnset(added, {"single_word", "lstrip", "rstrip"}, at));
  PC_ASSIGN_OR_RETURN(const bool special, Flag(added, "special", false, at));
  PC_ASSIGN_OR_RETURN(const bool normalized, Flag(added, "normalized", !special, at));
  if (normalizer == Normalizer::kLlama && normalized && !special) {
    return Unimplemented(at + ": the option 'normalized' is not supported with this normalizer");
  }
  return {};
}

Status ReadTokens(const json& root, Normalizer normalizer, BpeDefinition& definition) {
  const json& vocabulary = Member(root["model"], "vocab");
  if (!vocabulary.is_object()) return Fault("model.vocab", "not an object");
  const json& added_tokens = Member(root, "added_tokens");
  if (!added_tokens.is_array() && !added_tokens.is_null()) return Fault("added_tokens", "no array");
  size_t count = vocabulary.size();
  for (const json& added : added_tokens) {
    PC_RETURN_IF_ERROR(CheckAdded(added, normalizer));
    if (!vocabulary.contains(added["content"].get<std::string>())) ++count;
  }
  definition.tokens.resize(count);
  definition.kinds.assign(count, TokenKind::kNormal);
  std::vector<bool> taken(count);
  for (const auto& [token, id] : vocabulary.items()) {
    PC_RETURN_IF_ERROR(Place(token, id, definition.tokens, taken));
  }
  for (const json& added : added_tokens) {
    const auto content = added["content"].get<std::string>();
    const json& id = Member(added, "id");
    const json& known = Member(vocabulary, content);
    if (known.is_null()) PC_RETURN_IF_ERROR(Place(content, id, definition.tokens, taken));
    if (!known.is_null() && known != id) {
      return Fault("added_tokens '" + Shown(content) + "'", "the vocabulary has another id for it");
    }
    definition.kinds[id.get<size_t>()] =
        Member(added, "special") == true ? TokenKind::kSpecial : TokenKind::kUserDefined;
  }
  return {};
}

Status ReadMerges(const json& model, std::vector<std::string>& merges) {
  const json& list = Member(model, "merges");
  if (!list.is_array()) return Fault("model.merges", "not an array");
  merges.reserve(list.size());
  for (const json& merge : list) {
    const bool pair =
        merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (!pair && !merge.is_string()) {
      return Fault("model.merges[" + std::to_string(merges.size()) + "]", "not two tokens");
    }
    merges.push_back(pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                          : merge.get<std::string>());
  }
  return {};
}

// An unknown token is for what the vocabulary cannot spell: here it must spell everything.
Status ReadUnknown(const json& model, bool byte_fallback, BpeDefinition& definition) {
  if (Member(model, "unk_token").is_null()) return {};
  PC_ASSIGN_OR_RETURN(const std::string unknown, Text(model, "unk_token", "model"));
  const auto& tokens = definition.tokens;
  const auto found = std::find(tokens.begin(), tokens.end(), unknown);
  if (found == tokens.end()) return Fault("model.unk_token", "not in the vocabulary");
  definition.unknown = static_cast<TokenId>(found - tokens.begin());
  for (int byte = 0; byte < 256 && !byte_fallback; ++byte) {
    const std::string written = BytesToAlphabet(std::string(1, static_cast<char>(byte)));
    if (!Member(model, "vocab").contains(written)) {
      return Unimplemented("model.unk_token: unknown tokens are not supported, and byte " +
                           std::to_string(byte) + " is one");
    }
  }
  return {};
}

Status CheckModel(const json& model) {
  PC_RETURN_IF_ERROR(CheckMembers(
      model, "model",
      {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
       "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"}));
  const json& type = Member(model, "type");  // older files have none
  if (!type.is_null() && type != "BPE") {
    PC_ASSIGN_OR_RETURN(const std::string other, Text(model, "type", "model"));
    return Unimplemented("model: only the type 'BPE' is supported, not '" + Shown(other) + "'");
  }
  return CheckUnset(model, {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}, "model");
}

Result<std::unique_ptr<Tokenizer>> Make(const json& root) {
  PC_RETURN_IF_ERROR(CheckMembers(root, "the file",
                                  {"version", "truncation", "padding", "added_tokens", "normalizer",
                                   "pre_tokenizer", "post_processor", "decoder", "model"}));
  const json& model = Member(root, "model");
  PC_RETURN_IF_ERROR(CheckModel(model));
  PC_ASSIGN_OR_RETURN(const bool byte_fallback, Flag(model, "byte_fallback", false, "model"));
  PC_ASSIGN_OR_RETURN(const Normalizer normalizer, ReadNormalizer(root));
  if ((normalizer == Normalizer::kLlama) != byte_fallback) {
    return Unimplemented("normalizer: this one together with model.byte_fallback " +
                         std::string(byte_fallback ? "true" : "false") + " is not supported");
  }
  BpeDefinition definition;
  definition.nfc = normalizer == Normalizer::kNfc;
  PC_ASSIGN_OR_RETURN(definition.pretokenizer, ReadPretokenizer(root));
  PC_ASSIGN_OR_RETURN(definition.ignore_merges, Flag(model, "ignore_merges", false, "model"));
  PC_RETURN_IF_ERROR(ReadTokens(root, normalizer, definition));
  PC_RETURN_IF_ERROR(ReadMerges(model, definition.merges));
  PC_RETURN_IF_ERROR(ReadUnknown(model, byte_fallback, definition));
  definition.end = WellKnownEndIds(definition);
  definition.alphabet = byte_fallback ? BpeAlphabet::kCharacters : BpeAlphabet::kBytes;
  return MakeTokenizer(std::move(definition));
}

json Parse(std::string_view text) {
  const auto shallow = [](int depth, json::parse_event_t, const json&) {
    if (depth > kMaxDepth) throw std::length_error("nested too deeply");
    return true;
  };
  return json::parse(text, shallow);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> ParseTokenizerJson(std::string_view json,
                                                      const std::string& name) {
  if (json.size() > kMaxFileBytes) {
    return ResourceExhausted(name + ": a tokenizer.json has at most 64 MiB");
  }
  try {
    auto made = Make(Parse(json));
    if (!made.ok()) return made.status().WithContext(name);
    return made;
  } catch (const std::exception& error) {
    return InvalidArgument(name + ": not a tokenizer.json: " + error.what());
  }
}

}  // namespace promptcache
