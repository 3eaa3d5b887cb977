// What every answer must be: tokens follow from the prompt and the bytes of its units alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cluster/wire/traceparent.h"
#include "common/recipe.h"
#include "common/types.h"
#include "tests/chaos/dice.h"

namespace promptcache::chaos {

// A prompt goes by its number; it imports some of the units of one schema.
inline constexpr uint32_t kUnits = 12;
inline constexpr uint32_t kUnitTokens = 64;

inline Recipe RecipeOf(uint32_t unit) {
  Recipe recipe{.mode = EncodingMode::kIndependent};
  for (uint32_t i = 0; i < kUnitTokens; ++i) {
    recipe.own.Append(static_cast<TokenId>(unit + 1), static_cast<Position>(i));
  }
  return recipe;
}

// Hashed once: seeds make millions of plans.
inline const RecipeDigest& DigestOf(uint32_t unit) {
  static const std::vector<RecipeDigest> digests = [] {
    std::vector<RecipeDigest> made;
    for (uint32_t i = 0; i < kUnits; ++i) made.push_back(RecipeOf(i).Digest());
    return made;
  }();
  return digests[unit];
}

inline std::vector<uint32_t> UnitsOf(uint32_t prompt) {
  std::vector<uint32_t> units;
  for (uint32_t i = 0; i < 1 + prompt % 3; ++i) units.push_back((prompt * 5 + i * 7) % kUnits);
  return units;
}

// What its client gives a request: not what would be made for it.
inline std::string TraceOf(RequestId id) {
  id.bytes[14] = 0xff;
  return TraceparentOf(id);
}

// What encoding gives.
inline uint64_t StatesOf(const RecipeDigest& recipe) { return Dice(recipe.Head()).Next(); }

inline TokenId TokenAt(uint32_t prompt, uint64_t states, uint32_t index) {
  return static_cast<TokenId>(Dice(states ^ (uint64_t{prompt} << 32) ^ index).Below(50'000));
}

// A letter a token.
inline char LetterOf(TokenId token) { return static_cast<char>('a' + token % 26); }

// These could be the beginning of something to stop at: one at the end is not shown yet.
inline bool IsWithheld(TokenId token) { return LetterOf(token) < 'i'; }

// What is shown of the text behind these tokens, of as many as there will be.
inline std::string TextOf(std::span<const TokenId> tokens, size_t all) {
  std::string text;
  for (const TokenId token : tokens) text += LetterOf(token);
  if (tokens.size() < all && !tokens.empty() && IsWithheld(tokens.back())) text.pop_back();
  return text;
}

inline uint32_t LengthOf(uint32_t prompt) { return 1 + prompt * 7 % 24; }

inline std::vector<TokenId> AnswerOf(uint32_t prompt) {
  uint64_t states = 0;
  for (const uint32_t unit : UnitsOf(prompt)) states ^= StatesOf(DigestOf(unit));
  std::vector<TokenId> tokens;
  for (uint32_t i = 0; i < LengthOf(prompt); ++i) tokens.push_back(TokenAt(prompt, states, i));
  return tokens;
}

}  // namespace promptcache::chaos
