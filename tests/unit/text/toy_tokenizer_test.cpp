#include "common/text/toy_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Words(std::string_view text) {
  const auto toy = MakeToyTokenizer();
  std::vector<std::string> words;
  for (TokenId id : EncodeOrFail(*toy, text)) words.push_back(*toy->TokenBytes(id));
  return words;
}

TEST(ToyTokenizer, WordsAreRunsWithoutWhiteSpace) {
  EXPECT_THAT(Words("one two,three"), ElementsAre("one", "two,three"));
  EXPECT_THAT(Words("one \t\r\n two"), ElementsAre("one", "two"));
}

TEST(ToyTokenizer, WhiteSpaceAtAnEdgeIsOneToken) {
  EXPECT_THAT(Words("  one"), ElementsAre("_", "one"));
  EXPECT_THAT(Words("one\n"), ElementsAre("one", "_"));
  EXPECT_THAT(Words(" one two "), ElementsAre("_", "one", "two", "_"));
}

TEST(ToyTokenizer, OnlyWhiteSpaceIsOneTokenAndNothingIsNone) {
  for (const char* blank : {" ", "\n", "   \t\n", "\xE2\x80\x83\xC2\xA0"}) {
    EXPECT_THAT(Words(blank), ElementsAre("_")) << blank;
  }
  EXPECT_THAT(Words(""), IsEmpty());
}

TEST(ToyTokenizer, AnUnderscoreIsTheTokenOfWhiteSpace) {
  EXPECT_THAT(Words("_"), ElementsAre("_"));
  EXPECT_THAT(Words("_ "), ElementsAre("_", "_"));
  EXPECT_THAT(Words(" _"), ElementsAre("_", "_"));
}

TEST(ToyTokenizer, UnicodeWhiteSpaceSeparates) {
  EXPECT_THAT(Words("a\xE3\x80\x80"
                    "b\xC2\x85"
                    "c\xE1\x9A\x80"
                    "d"),
              ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Words("a\xE2\x80\x8B"
                    "b"),
              ElementsAre("a\xE2\x80\x8B"
                          "b"));  // zero width space is none
}

TEST(ToyTokenizer, IdsFollowFromTheWordsAlone) {
  const auto toy = MakeToyTokenizer();
  const auto other = MakeToyTokenizer();
  EXPECT_EQ(toy->unknown_id(), 0);
  EXPECT_EQ(*toy->TokenBytes(0), "<unk>");
  const std::vector<TokenId> ids = EncodeOrFail(*toy, "x y x ");
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_EQ(ids[3], 1);
  EXPECT_EQ(EncodeOrFail(*other, "y z x"),
            (std::vector<TokenId>{ids[1], EncodeOrFail(*toy, "z")[0], ids[0]}));
  for (const TokenId id : ids) EXPECT_LT(static_cast<uint32_t>(id), toy->vocabulary_size());
}

TEST(ToyTokenizer, MayHaveLimitsAsRealOnesDo) {
  const auto toy = MakeToyTokenizer({.max_word_bytes = 3, .has_unknown = false});
  EXPECT_EQ(toy->unknown_id(), std::nullopt);
  EXPECT_TRUE(toy->Encode("abc d").ok());
  EXPECT_EQ(toy->Encode("abcd").status().code(), Code::kInvalidArgument);
}

TEST(ToyTokenizer, ErrorsAreClear) {
  const auto toy = MakeToyTokenizer();
  EXPECT_EQ(toy->Encode("a\xFF").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(toy->TokenBytes(2).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(toy->TokenBytes(-1).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace promptcache::testing
