// A byte-level tokenizer made in a test: every byte is a token, and what the test adds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/text/bpe_tokenizer.h"

namespace promptcache::testing {

// Id = byte for the first 256; then one normal token for each of `pieces` (its bytes), then one
// special token for each of `specials`.
BpeDefinition ByteDefinition(const std::vector<std::string>& pieces = {},
                             const std::vector<std::string>& specials = {});
std::unique_ptr<Tokenizer> MakeOrFail(BpeDefinition definition);

}  // namespace promptcache::testing
