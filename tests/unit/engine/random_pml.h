// Schemas and prompts at random.
#pragma once

#include <cstdint>
#include <string>

namespace promptcache::testing {

enum class OtherTexts : uint8_t { kAsLong, kOfAnyLength };

struct RandomPml {
  std::string schema;
  std::string other;   // the schema with other text in every module that the prompt does not import
  std::string prompt;  // the inside of <prompt schema="s">
};

// Nested modules, unions, parameters with scaffolds and arguments, and a scaffold set, of which the
// prompt imports some. Texts are letters. A function of its arguments.
RandomPml MakeRandomPml(uint64_t seed, const std::string& attributes, OtherTexts texts);

}  // namespace promptcache::testing
