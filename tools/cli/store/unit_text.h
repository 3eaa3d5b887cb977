// What a stored unit says.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "cachestore/store.h"
#include "common/status.h"
#include "common/text/tokenizer.h"

namespace promptcache {

// The text that the tokens stand for.
Result<std::string> TextOfTokens(const Tokenizer& tokenizer, std::span<const TokenId> ids);

// The text of the module as it is written in the schema that `meta` has, white space and all;
// nullopt when the schema is not registered there or has no such module.
Result<std::optional<std::string>> TextInSchema(MetaStore& meta, const Reference& reference);

}  // namespace promptcache
