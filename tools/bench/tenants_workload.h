// What `promptcache bench tenants` has tenants register and ask.
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"
#include "common/text/tokenizer.h"

namespace promptcache {

// Words of random letters that give exactly `tokens` tokens. Pure: the same seed gives the same
// text, another one a text of words that are, by chance, in no other. kInvalidArgument when the
// tokenizer does not come to that number.
Result<std::string> MakeUnheardText(const Tokenizer& tokenizer, uint32_t tokens, uint64_t seed);

// The text of a schema with two units.
struct TenantsText {
  std::string root;    // what the module is encoded behind
  std::string module;  // three times as long
};
Result<TenantsText> MakeTenantsText(const Tokenizer& tokenizer, uint32_t tokens, uint64_t seed);

// Documents that differ from others of names of one length in nothing but name and text. Pure.
std::string TenantsSchema(const std::string& name, const TenantsText& text);
std::string TenantsPrompt(const std::string& name);

}  // namespace promptcache
