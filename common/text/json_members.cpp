#include "common/text/json_members.h"

#include <algorithm>
#include <stdexcept>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr int kMaxDepth = 32;
constexpr size_t kMaxShownBytes = 200;  // of the file in a message

// Puts a token where its id says. Ids are dense: `tokens` has the size of all.
Status Place(const std::string& token, const json& id, std::vector<std::string>& tokens,
             std::vector<bool>& taken) {
  const bool number = id.is_number_unsigned() && id.get<uint64_t>() < tokens.size();
  if (!number || taken[id.get<size_t>()]) {
    return JsonFault("the vocabulary", "the token '" + Shown(token) +
                                           "' has no id of its own below " +
                                           std::to_string(tokens.size()));
  }
  taken[id.get<size_t>()] = true;
  tokens[id.get<size_t>()] = token;
  return {};
}

}  // namespace

Result<json> ParseJson(std::string_view text) {
  if (text.size() > kMaxFileBytes) return ResourceExhausted("a file of JSON has at most 64 MiB");
  const auto shallow = [](int depth, json::parse_event_t, const json&) {
    if (depth > kMaxDepth) throw std::length_error("nested too deeply");
    return true;
  };
  try {
    return json::parse(text, shallow);
  } catch (const std::exception& error) {
    return InvalidArgument(std::string("not JSON: ") + error.what());
  }
}

std::string Shown(std::string_view text) { return AbbreviateUtf8(text, kMaxShownBytes); }

Status JsonFault(const std::string& where, const std::string& what) {
  return InvalidArgument(where + ": " + what);
}

const json& JsonMember(const json& object, const std::string& key) {
  static const json none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

Status CheckJsonMembers(const json& object, const std::string& where,
                        std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return JsonFault(where, "not an object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return Unimplemented(where + ": the option '" + Shown(key) + "' is not supported");
  }
  return {};
}

Status CheckJsonUnset(const json& object, std::initializer_list<const char*> keys,
                      const std::string& where) {
  for (const char* key : keys) {
    const json& value = JsonMember(object, key);
    if (value.is_null() || value == false || value == 0 || value == "") continue;
    return Unimplemented(where + ": the option '" + key + "' is not supported");
  }
  return {};
}

Result<bool> JsonFlag(const json& object, const char* key, bool fallback,
                      const std::string& where) {
  const json& value = JsonMember(object, key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) return JsonFault(where + "." + key, "not true or false");
  return value.get<bool>();
}

Result<std::string> JsonText(const json& object, const char* key, const std::string& where) {
  const json& value = JsonMember(object, key);
  if (!value.is_string()) return JsonFault(where + "." + key, "not a string");
  return value.get<std::string>();
}

Status CheckAddedToken(const json& added) {
  const std::string where = "added_tokens";
  PC_RETURN_IF_ERROR(CheckJsonMembers(
      added, where, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
  PC_ASSIGN_OR_RETURN(const std::string content, JsonText(added, "content", where));
  if (content.empty()) return JsonFault(where, "a token without content");
  const std::string at = where + " '" + Shown(content) + "'";
  PC_RETURN_IF_ERROR(CheckJsonUnset(added, {"single_word", "lstrip", "rstrip"}, at));
  return JsonFlag(added, "special", false, at).status();
}

Status ReadTokens(const json& vocabulary, const json& added_tokens, BpeDefinition& definition) {
  if (!vocabulary.is_object()) return JsonFault("the vocabulary", "not an object");
  if (!added_tokens.is_array() && !added_tokens.is_null()) {
    return JsonFault("added_tokens", "not an array");
  }
  size_t count = vocabulary.size();
  for (const json& added : added_tokens) {
    PC_RETURN_IF_ERROR(CheckAddedToken(added));
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
    const json& id = JsonMember(added, "id");
    const json& known = JsonMember(vocabulary, content);
    if (known.is_null()) PC_RETURN_IF_ERROR(Place(content, id, definition.tokens, taken));
    if (!known.is_null() && known != id) {
      return JsonFault("added_tokens '" + Shown(content) + "'",
                       "the vocabulary has another id for it");
    }
    definition.kinds[id.get<size_t>()] =
        JsonMember(added, "special") == true ? TokenKind::kSpecial : TokenKind::kUserDefined;
  }
  return {};
}

}  // namespace promptcache
