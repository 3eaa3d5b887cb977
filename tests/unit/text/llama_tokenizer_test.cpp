#include "common/text/llama_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Ids: the bytes, 256 a space, 257 "a", 258 "aa", 259 " a", 260 two spaces, 261 "<s>".
BpeDefinition Definition() {
  BpeDefinition definition;
  for (int byte = 0; byte < 256; ++byte) {
    char written[7];
    std::snprintf(written, sizeof(written), "<0x%02X>", static_cast<unsigned>(byte));
    definition.tokens.emplace_back(written);
  }
  for (const char* token : {"\u2581", "a", "aa", "\u2581a", "\u2581\u2581", "<s>"}) {
    definition.tokens.emplace_back(token);
  }
  definition.kinds.assign(definition.tokens.size(), TokenKind::kNormal);
  definition.kinds.back() = TokenKind::kSpecial;
  definition.merges = {"a a", "\u2581 a", "\u2581 \u2581"};
  return definition;
}

std::unique_ptr<Tokenizer> Make(BpeDefinition definition = Definition()) {
  auto made = MakeLlamaTokenizer(std::move(definition));
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return *std::move(made);
}

void ExpectFault(BpeDefinition definition, Code code, const char* part) {
  const auto made = MakeLlamaTokenizer(std::move(definition));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), code);
  EXPECT_THAT(made.status().message(), HasSubstr(part));
}

TEST(LlamaTokenizer, PutsASpaceBeforeEveryTextButTheEmpty) {
  EXPECT_THAT(EncodeOrFail(*Make(), "a"), ElementsAre(259));
  EXPECT_THAT(EncodeOrFail(*Make(), " a"), ElementsAre(256, 259));
  EXPECT_THAT(EncodeOrFail(*Make(), " "), ElementsAre(260));
  EXPECT_THAT(EncodeOrFail(*Make(), ""), ElementsAre());
}

TEST(LlamaTokenizer, SpellsUnknownCharactersAsBytes) {
  EXPECT_THAT(EncodeOrFail(*Make(), "\u00e9"), ElementsAre(256, 0xC3, 0xA9));
  EXPECT_EQ(*Make()->TokenBytes(0xC3), "\xC3");
}

TEST(LlamaTokenizer, ItsMarkOfASpaceIsASpace) {
  EXPECT_EQ(EncodeOrFail(*Make(), "a\u2581a"), EncodeOrFail(*Make(), "a a"));
  EXPECT_EQ(*Make()->TokenBytes(259), " a");
}

TEST(LlamaTokenizer, WrittenFormsOfBytesAndSpecialTokensAreText) {
  for (const char* text : {"<0x41>", "<s>"}) {
    const auto ids = EncodeOrFail(*Make(), text);
    EXPECT_EQ(ids.size(), std::string(text).size() + 1);
    EXPECT_EQ(BytesOf(*Make(), ids), std::string(" ") + text);
  }
}

TEST(LlamaTokenizer, TokensMayJoinWordsWhereTheVocabularyHasSuch) {
  BpeDefinition definition = Definition();
  definition.tokens.emplace_back("a\u2581a");
  definition.kinds.push_back(TokenKind::kNormal);
  definition.merges.insert(definition.merges.begin() + 2, "a \u2581a");
  EXPECT_THAT(EncodeOrFail(*Make(definition), "\n\u2581\u2581a a"),
              ElementsAre(256, '\n', 256, 259, 259));
  EXPECT_THAT(EncodeOrFail(*Make(definition), "\na a"), ElementsAre(256, '\n', 262));
  EXPECT_THAT(EncodeOrFail(*Make(), "\na a"), ElementsAre(256, '\n', 257, 259));
}

TEST(LlamaTokenizer, EncodesAVeryLongText) {
  const auto ids = EncodeOrFail(*Make(), std::string((1 << 20) + 1, 'a'));
  ASSERT_EQ(ids.size(), (1u << 19) + 2);
  EXPECT_EQ(ids[0], 256);
  EXPECT_EQ(ids[1], 258);
  EXPECT_EQ(ids.back(), 257);
}

TEST(LlamaTokenizer, RefusesTextsPastItsLimitAndOtherBytes) {
  const auto long_text = Make()->Encode(std::string((size_t{16} << 20) + 1, 'a'));
  ASSERT_FALSE(long_text.ok());
  EXPECT_THAT(long_text.status().message(), HasSubstr("16 MiB"));
  const auto bytes = Make()->Encode("ab\xFF");
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(bytes.status().message(), HasSubstr("byte 2"));
}

TEST(LlamaTokenizer, RefusesDefinitionsThatItCannotFollow) {
  BpeDefinition words = Definition();
  words.pretokenizer = "gpt-2";
  ExpectFault(words, Code::kUnimplemented, "pre-tokenizer");
  BpeDefinition whole = Definition();
  whole.ignore_merges = true;
  ExpectFault(whole, Code::kUnimplemented, "ignore_merges");
  BpeDefinition spaces = Definition();
  spaces.tokens.back() = "  ";
  spaces.kinds.back() = TokenKind::kUserDefined;
  ExpectFault(spaces, Code::kUnimplemented, "white space");
  BpeDefinition byte = Definition();
  byte.tokens[0x41] = "<0x4x>";
  ExpectFault(byte, Code::kInvalidArgument, "<0x41>");
  BpeDefinition merge = Definition();
  merge.merges.push_back("a <0x41>");
  ExpectFault(merge, Code::kInvalidArgument, "merge 3");
}

TEST(ByteOfToken, ReadsTwoUpperCaseDigitsAndNothingElse) {
  EXPECT_EQ(ByteOfToken("<0x00>"), 0);
  EXPECT_EQ(ByteOfToken("<0x0A>"), 10);
  EXPECT_EQ(ByteOfToken("<0xFF>"), 255);
  for (const char* other : {"", "<0x0A", "<0x0A>>", "<0x0a>", "<0x-1>", "<0x+1>", "<0x 1>",
                            "<0xA>>", "<0xG0>", "<0x0A)", "0x0A>>"}) {
    EXPECT_EQ(ByteOfToken(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace promptcache::testing
