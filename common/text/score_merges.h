// The merges of a vocabulary of SentencePiece, which has scores instead.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/text/bpe_tokenizer.h"

namespace promptcache {

struct ScoreMerge {
  uint32_t rank = 0;  // tokens of one score have one rank
  TokenId left = 0;
  TokenId right = 0;
  TokenId merged = 0;
};

struct ScoreMerges {
  struct Parts {
    TokenId left = 0;
    TokenId right = 0;
  };
  std::vector<ScoreMerge> merges;
  // Characters that are parts of tokens and no tokens themselves: unspelt[i] has the id
  // (number of tokens) + i.
  std::vector<std::string> unspelt;
  std::map<std::string, TokenId, std::less<>> symbols;  // the same, by character
  // What stands for an unused token that merges make.
  std::unordered_map<TokenId, Parts> parts_of_unused;
};

// Two parts merge when together they are a token, whichever way it is cut in two. `find` gives the
// token that text of these bytes gives. kInvalidArgument for scores that are not one finite number
// for each token and for tokens past 256 bytes, kUnimplemented for an unused token that can be cut
// in more than one way.
Result<ScoreMerges> MergesOfScores(
    const BpeDefinition& definition,
    const std::function<std::optional<TokenId>(std::string_view)>& find);

}  // namespace promptcache
