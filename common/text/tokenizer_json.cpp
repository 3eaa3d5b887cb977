#include "common/text/tokenizer_json.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>

#include "common/text/bpe_alphabet.h"
#include "common/text/json_members.h"
#include "common/text/llama_tokenizer.h"
#include "common/text/pretokenizer.h"

namespace promptcache {
namespace {

using nlohmann::json;

// The steps of a normalizer or pre-tokenizer: those of its Sequence, itself, or none.
Result<std::vector<const json*>> StepsOf(const json& whole, const char* list,
                                         const std::string& where) {
  std::vector<const json*> steps;
  if (whole.is_null()) return steps;
  if (!whole.is_object()) return JsonFault(where, "not an object");
  if (JsonMember(whole, "type") != "Sequence") return std::vector<const json*>{&whole};
  PC_RETURN_IF_ERROR(CheckJsonMembers(whole, where, {"type", list}));
  const json& members = JsonMember(whole, list);
  if (!members.is_array()) return JsonFault(where + "." + list, "not an array");
  for (const json& member : members) {
    if (!member.is_object()) return JsonFault(where + "." + list, "a member is not an object");
    steps.push_back(&member);
  }
  return steps;
}

// A pre-tokenizer's step as class Pretokenizer names it.
Result<std::string> StepName(const json& step) {
  const std::string where = "pre_tokenizer";
  PC_ASSIGN_OR_RETURN(const std::string type, JsonText(step, "type", where));
  const std::string at = where + " " + Shown(type);
  if (type == "ByteLevel") {
    PC_RETURN_IF_ERROR(
        CheckJsonMembers(step, at, {"type", "add_prefix_space", "trim_offsets", "use_regex"}));
    PC_ASSIGN_OR_RETURN(const bool prefix, JsonFlag(step, "add_prefix_space", true, at));
    if (prefix) return Unimplemented(at + ": the option 'add_prefix_space' is not supported");
    PC_ASSIGN_OR_RETURN(const bool words, JsonFlag(step, "use_regex", true, at));
    return std::string(words ? Pretokenizer::kWords : Pretokenizer::kBytes);
  }
  if (type == "Digits") {
    PC_RETURN_IF_ERROR(CheckJsonMembers(step, at, {"type", "individual_digits"}));
    PC_ASSIGN_OR_RETURN(const bool one, JsonFlag(step, "individual_digits", false, at));
    return std::string(one ? Pretokenizer::kOneDigit : Pretokenizer::kDigits);
  }
  if (type == "Punctuation") {
    PC_RETURN_IF_ERROR(CheckJsonMembers(step, at, {"type", "behavior"}));
    if (JsonMember(step, "behavior") == "Contiguous")
      return std::string(Pretokenizer::kPunctuation);
    return Unimplemented(at + ": only the behavior 'Contiguous' is supported");
  }
  if (type == "Split") {
    PC_RETURN_IF_ERROR(CheckJsonMembers(step, at, {"type", "pattern", "behavior", "invert"}));
    PC_RETURN_IF_ERROR(CheckJsonUnset(step, {"invert"}, at));
    const json& pattern = JsonMember(step, "pattern");
    PC_RETURN_IF_ERROR(CheckJsonMembers(pattern, at + ".pattern", {"Regex"}));
    if (JsonMember(step, "behavior") == "Isolated")
      return JsonText(pattern, "Regex", at + ".pattern");
    return Unimplemented(at + ": only the behavior 'Isolated' is supported");
  }
  return Unimplemented(where + ": the type '" + Shown(type) + "' is not supported");
}

Result<std::string> ReadPretokenizer(const json& root) {
  PC_ASSIGN_OR_RETURN(const auto steps,
                      StepsOf(JsonMember(root, "pre_tokenizer"), "pretokenizers", "pre_tokenizer"));
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
  const json& pattern = JsonMember(step, "pattern");
  return JsonMember(step, "type") == "Replace" && step.size() == 3 && pattern.is_object() &&
         pattern.size() == 1 && JsonMember(pattern, "String") == " " &&
         JsonMember(step, "content") == "\u2581";
}

Result<Normalizer> ReadNormalizer(const json& root) {
  PC_ASSIGN_OR_RETURN(const auto steps,
                      StepsOf(JsonMember(root, "normalizer"), "normalizers", "normalizer"));
  if (steps.empty()) return Normalizer::kNone;
  std::string types;
  for (const json* step : steps) {
    PC_ASSIGN_OR_RETURN(const std::string type, JsonText(*step, "type", "normalizer"));
    types += (types.empty() ? "" : ", ") + type;
  }
  if (types == "NFC" && steps[0]->size() == 1) return Normalizer::kNfc;
  if (types == "Prepend, Replace" && JsonMember(*steps[0], "prepend") == "\u2581" &&
      steps[0]->size() == 2 && IsReplaceOfSpaces(*steps[1])) {
    return Normalizer::kLlama;
  }
  return Unimplemented("normalizer: [" + Shown(types) + "] as it is set here is not supported");
}

// With a normalizer such tokens would be looked for in what it makes of the text. REQUIRES: read.
Status CheckNotNormalized(const json& added_tokens) {
  for (const json& added : added_tokens) {
    const std::string at = "added_tokens '" + Shown(added["content"].get<std::string>()) + "'";
    const bool special = JsonMember(added, "special") == true;
    PC_ASSIGN_OR_RETURN(const bool normalized, JsonFlag(added, "normalized", !special, at));
    if (!normalized || special) continue;
    return Unimplemented(at + ": the option 'normalized' is not supported with this normalizer");
  }
  return {};
}

Status ReadMerges(const json& model, std::vector<std::string>& merges) {
  const json& list = JsonMember(model, "merges");
  if (!list.is_array()) return JsonFault("model.merges", "not an array");
  merges.reserve(list.size());
  for (const json& merge : list) {
    const bool pair =
        merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (!pair && !merge.is_string()) {
      return JsonFault("model.merges[" + std::to_string(merges.size()) + "]", "not two tokens");
    }
    merges.push_back(pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                          : merge.get<std::string>());
  }
  return {};
}

// An unknown token is for what the vocabulary cannot spell: here it must spell everything.
Status ReadUnknown(const json& model, bool byte_fallback, BpeDefinition& definition) {
  if (JsonMember(model, "unk_token").is_null()) return {};
  PC_ASSIGN_OR_RETURN(const std::string unknown, JsonText(model, "unk_token", "model"));
  const auto& tokens = definition.tokens;
  const auto found = std::find(tokens.begin(), tokens.end(), unknown);
  if (found == tokens.end()) return JsonFault("model.unk_token", "not in the vocabulary");
  definition.unknown = static_cast<TokenId>(found - tokens.begin());
  for (int byte = 0; byte < 256 && !byte_fallback; ++byte) {
    const std::string written = BytesToAlphabet(std::string(1, static_cast<char>(byte)));
    if (!JsonMember(model, "vocab").contains(written)) {
      return Unimplemented("model.unk_token: unknown tokens are not supported, and byte " +
                           std::to_string(byte) + " is one");
    }
  }
  return {};
}

Status CheckModel(const json& model) {
  PC_RETURN_IF_ERROR(CheckJsonMembers(
      model, "model",
      {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
       "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"}));
  const json& type = JsonMember(model, "type");  // older files have none
  if (!type.is_null() && type != "BPE") {
    PC_ASSIGN_OR_RETURN(const std::string other, JsonText(model, "type", "model"));
    return Unimplemented("model: only the type 'BPE' is supported, not '" + Shown(other) + "'");
  }
  return CheckJsonUnset(model, {"dropout", "continuing_subword_prefix", "end_of_word_suffix"},
                        "model");
}

Result<BpeDefinition> ReadDefinition(const json& root) {
  PC_RETURN_IF_ERROR(
      CheckJsonMembers(root, "the file",
                       {"version", "truncation", "padding", "added_tokens", "normalizer",
                        "pre_tokenizer", "post_processor", "decoder", "model"}));
  const json& model = JsonMember(root, "model");
  PC_RETURN_IF_ERROR(CheckModel(model));
  PC_ASSIGN_OR_RETURN(const bool byte_fallback, JsonFlag(model, "byte_fallback", false, "model"));
  PC_ASSIGN_OR_RETURN(const Normalizer normalizer, ReadNormalizer(root));
  if ((normalizer == Normalizer::kLlama) != byte_fallback) {
    return Unimplemented("normalizer: this one together with model.byte_fallback " +
                         std::string(byte_fallback ? "true" : "false") + " is not supported");
  }
  BpeDefinition definition;
  definition.nfc = normalizer == Normalizer::kNfc;
  PC_ASSIGN_OR_RETURN(definition.pretokenizer, ReadPretokenizer(root));
  PC_ASSIGN_OR_RETURN(definition.ignore_merges, JsonFlag(model, "ignore_merges", false, "model"));
  PC_RETURN_IF_ERROR(
      ReadTokens(JsonMember(model, "vocab"), JsonMember(root, "added_tokens"), definition));
  if (normalizer == Normalizer::kLlama) {
    PC_RETURN_IF_ERROR(CheckNotNormalized(JsonMember(root, "added_tokens")));
  }
  PC_RETURN_IF_ERROR(ReadMerges(model, definition.merges));
  PC_RETURN_IF_ERROR(ReadUnknown(model, byte_fallback, definition));
  definition.end = WellKnownEndIds(definition);
  definition.alphabet = byte_fallback ? BpeAlphabet::kCharacters : BpeAlphabet::kBytes;
  return definition;
}

}  // namespace

Result<BpeDefinition> ReadTokenizerJson(std::string_view text) {
  try {
    PC_ASSIGN_OR_RETURN(const json root, ParseJson(text));
    return ReadDefinition(root);
  } catch (const std::exception& error) {
    return InvalidArgument(std::string("not a tokenizer.json: ") + error.what());
  }
}

Result<std::unique_ptr<Tokenizer>> ParseTokenizerJson(std::string_view text,
                                                      const std::string& name) {
  auto definition = ReadTokenizerJson(text);
  if (!definition.ok()) return definition.status().WithContext(name);
  auto tokenizer = MakeTokenizer(*std::move(definition));
  if (!tokenizer.ok()) return tokenizer.status().WithContext(name);
  return tokenizer;
}

}  // namespace promptcache
