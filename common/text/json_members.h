// What the JSON files of a tokenizer have: members that are checked before they are used. Messages
// begin with `where`, the place in the file.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {

// The file's value. kInvalidArgument when it is not JSON or nested too deeply, kResourceExhausted
// beyond 64 MiB. Nothing is thrown.
Result<nlohmann::json> ParseJson(std::string_view text);

std::string Shown(std::string_view text);  // the beginning of a long one
Status JsonFault(const std::string& where, const std::string& what);

// A member of `object`, or null, also where `object` is no object.
const nlohmann::json& JsonMember(const nlohmann::json& object, const std::string& key);
// kUnimplemented for a member that is not `known`: it might change the ids.
Status CheckJsonMembers(const nlohmann::json& object, const std::string& where,
                        std::initializer_list<std::string_view> known);
// kUnimplemented for an option that is set; it only has an effect then.
Status CheckJsonUnset(const nlohmann::json& object, std::initializer_list<const char*> keys,
                      const std::string& where);
// `fallback` where the member is absent or null.
Result<bool> JsonFlag(const nlohmann::json& object, const char* key, bool fallback,
                      const std::string& where);
Result<std::string> JsonText(const nlohmann::json& object, const char* key,
                             const std::string& where);

// An added token: an object with `content` and flags of which only `special` and `normalized` may
// be set.
Status CheckAddedToken(const nlohmann::json& added);
// Fills the tokens and kinds with those of `vocabulary`, an object of ids by token, and of
// `added_tokens`, an array of added tokens with their ids, or null. Together they must have every
// id from 0 on.
Status ReadTokens(const nlohmann::json& vocabulary, const nlohmann::json& added_tokens,
                  BpeDefinition& definition);

}  // namespace promptcache
