// What every answer must be: tokens follow from the prompt and the bytes of its units alone.
#pragma once

#include <cstdint>
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

inline uint32_t LengthOf(uint32_t prompt) { return 1 + prompt * 7 % 24; }

inline std::vector<TokenId> AnswerOf(uint32_t prompt) {
  uint64_t states = 0;
  for (const uint32_t unit : UnitsOf(prompt)) states ^= StatesOf(DigestOf(unit));
  std::vector<TokenId> tokens;
  for (uint32_t i = 0; i < LengthOf(prompt); ++i) tokens.push_back(TokenAt(prompt, states, i));
  return tokens;
}

}  // namespace promptcache::chaos
