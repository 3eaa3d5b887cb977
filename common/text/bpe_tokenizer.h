// Byte-level byte-pair encoding, as GPT-2, SmolLM2, Llama 3 and Qwen2 use it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/text/tokenizer.h"

namespace promptcache {

enum class TokenKind : uint8_t { kNormal, kSpecial, kUserDefined };

// What a model file says of its tokenizer.
struct BpeDefinition {
  std::vector<std::string> tokens;  // by id; normal ones in the byte-to-character alphabet of GPT-2
  std::vector<TokenKind> kinds;     // by id; empty: all normal
  std::vector<std::string> merges;  // "left right", best first
  std::string pretokenizer;         // tokenizer.ggml.pre
  bool ignore_merges = false;       // a word that is a token is not merged up to (Llama 3)
  std::optional<TokenId> unknown;
  std::vector<TokenId> end;
};

// kInvalidArgument when a merge names no token or ids are out of range, kUnimplemented for an
// unknown pre-tokenizer. Encoding takes O(n log n) for any text.
Result<std::unique_ptr<Tokenizer>> MakeBpeTokenizer(BpeDefinition definition);

}  // namespace promptcache
