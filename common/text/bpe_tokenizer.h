// Byte-level byte-pair encoding, as GPT-2, Falcon, MPT, SmolLM2, Llama 3 and Qwen2 use it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/text/tokenizer.h"

namespace promptcache {

// An unused token is merged towards, but where it remains, its parts stand for it.
enum class TokenKind : uint8_t { kNormal, kSpecial, kUserDefined, kUnused };
// What the smallest parts of a text are, and so how normal tokens are written.
enum class BpeAlphabet : uint8_t { kBytes, kCharacters };

// What a model file says of its tokenizer.
struct BpeDefinition {
  BpeAlphabet alphabet = BpeAlphabet::kBytes;
  std::vector<std::string> tokens;  // by id; normal ones as the kind of encoding writes them
  std::vector<TokenKind> kinds;     // by id; empty: all normal
  std::vector<std::string> merges;  // "left right", best first
  std::vector<float> scores;        // by id; not empty: two parts merge when together they are a
                                    // token, the one of the highest score first (characters only)
  std::string pretokenizer;         // tokenizer.ggml.pre; empty: the text is one word
  bool nfc = false;                 // the text is first brought into Unicode's normal form C
  bool ignore_merges = false;       // a word that is a token is not merged up to (Llama 3)
  bool space_before_text = true;    // (characters only)
  std::optional<TokenId> unknown;
  std::vector<TokenId> end;
};

// Normal tokens are written in the byte-to-character alphabet of GPT-2. kInvalidArgument when a
// merge names no token or ids are out of range, kUnimplemented for an unknown pre-tokenizer.
// Encoding takes O(n log n) for any text.
Result<std::unique_ptr<Tokenizer>> MakeBpeTokenizer(BpeDefinition definition);

// The special tokens that end a text or a turn by their well-known names, in ascending order.
std::vector<TokenId> WellKnownEndIds(const BpeDefinition& definition);

}  // namespace promptcache
