#include "tests/unit/text/byte_tokenizer.h"

#include <gtest/gtest.h>

#include "common/text/bpe_alphabet.h"

namespace promptcache::testing {

BpeDefinition ByteDefinition(const std::vector<std::string>& pieces,
                             const std::vector<std::string>& specials) {
  BpeDefinition definition;
  for (int byte = 0; byte < 256; ++byte) {
    definition.tokens.push_back(BytesToAlphabet(std::string(1, static_cast<char>(byte))));
  }
  for (const std::string& piece : pieces) definition.tokens.push_back(BytesToAlphabet(piece));
  definition.kinds.assign(definition.tokens.size(), TokenKind::kNormal);
  for (const std::string& special : specials) {
    definition.tokens.push_back(special);
    definition.kinds.push_back(TokenKind::kSpecial);
  }
  definition.pretokenizer = "gpt-2";
  return definition;
}

std::unique_ptr<Tokenizer> MakeOrFail(BpeDefinition definition) {
  auto tokenizer = MakeBpeTokenizer(std::move(definition));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return *std::move(tokenizer);
}

}  // namespace promptcache::testing
