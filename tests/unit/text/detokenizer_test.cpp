#include "common/text/detokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/text/utf8.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/text/byte_tokenizer.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

const std::string kReplacement = "\xEF\xBF\xBD";

std::string PushOrFail(StreamingDetokenizer& detokenizer, TokenId id) {
  auto text = detokenizer.Push(id);
  EXPECT_TRUE(text.ok()) << text.status().ToString();
  return text.ok() ? *std::move(text) : "";
}

// The part of a valid text's beginning that is whole characters.
std::string WholeCharacters(std::string_view beginning) {
  return std::string(beginning.substr(0, FirstInvalidUtf8(beginning)));
}

TEST(StreamingDetokenizer, GivesEveryWholeCharacterAtOnceAndNothingMore) {
  const auto tokenizer = MakeOrFail(ByteDefinition());
  const std::string text = "a\xC3\xA9\xE2\x82\xAC \xF0\x9F\x98\x80z\xE4\xB8\xAD";
  StreamingDetokenizer detokenizer(*tokenizer);
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    shown += PushOrFail(detokenizer, static_cast<uint8_t>(text[i]));
    EXPECT_EQ(shown, WholeCharacters(std::string_view(text).substr(0, i + 1)));
  }
  EXPECT_EQ(detokenizer.Flush(), "");
}

// All 2^12 ways to cut 13 bytes into tokens.
TEST(StreamingDetokenizer, EverySplitIntoTokensGivesTheSameText) {
  const std::string text =
      "\xC3\xA9"
      "a\xE2\x82\xAC\xF0\x9F\x98\x80\xCE\xB1"
      "b";
  ASSERT_EQ(text.size(), 13u);
  std::vector<std::string> pieces;
  for (size_t i = 0; i < text.size(); ++i) {
    for (size_t n = 1; i + n <= text.size(); ++n) pieces.push_back(text.substr(i, n));
  }
  const auto id_of = [&](size_t begin, size_t end) {
    TokenId id = 256;
    for (size_t i = 0; i < begin; ++i) id += static_cast<TokenId>(text.size() - i);
    return id + static_cast<TokenId>(end - begin - 1);
  };
  const auto tokenizer = MakeOrFail(ByteDefinition(pieces));
  for (uint32_t cuts = 0; cuts < (1u << 12); ++cuts) {
    StreamingDetokenizer detokenizer(*tokenizer);
    std::string shown;
    size_t begin = 0;
    for (size_t end = 1; end <= text.size(); ++end) {
      if (end < text.size() && (cuts >> (end - 1) & 1) == 0) continue;
      const std::string piece = PushOrFail(detokenizer, id_of(begin, end));
      ASSERT_TRUE(IsUtf8(piece));
      shown += piece;
      ASSERT_EQ(shown, WholeCharacters(std::string_view(text).substr(0, end)));
      begin = end;
    }
    ASSERT_EQ(detokenizer.Flush(), "");
  }
}

TEST(StreamingDetokenizer, BytesThatCannotBecomeACharacterAreReplacedAtOnce) {
  const auto tokenizer = MakeOrFail(ByteDefinition());
  for (const uint8_t byte : {0x80, 0xBF, 0xC0, 0xC1, 0xF5, 0xFE, 0xFF}) {
    StreamingDetokenizer detokenizer(*tokenizer);
    EXPECT_EQ(PushOrFail(detokenizer, byte), kReplacement);
    EXPECT_EQ(detokenizer.Flush(), "");
  }
}

TEST(StreamingDetokenizer, ABrokenCharacterIsOneReplacementAndTheNextIsWhole) {
  const auto tokenizer = MakeOrFail(ByteDefinition());
  StreamingDetokenizer detokenizer(*tokenizer);
  EXPECT_EQ(PushOrFail(detokenizer, 0xF0), "");
  EXPECT_EQ(PushOrFail(detokenizer, 0x9F), "");
  EXPECT_EQ(PushOrFail(detokenizer, 'a'), kReplacement + "a");
  EXPECT_EQ(PushOrFail(detokenizer, 0xE2), "");
  EXPECT_EQ(PushOrFail(detokenizer, 0xC3), kReplacement);
  EXPECT_EQ(PushOrFail(detokenizer, 0xA9), "\xC3\xA9");
}

TEST(StreamingDetokenizer, SurrogatesAreDecidedAtTheirSecondByte) {
  const auto tokenizer = MakeOrFail(ByteDefinition());
  StreamingDetokenizer detokenizer(*tokenizer);
  EXPECT_EQ(PushOrFail(detokenizer, 0xED), "");
  EXPECT_EQ(PushOrFail(detokenizer, 0xA0), kReplacement + kReplacement);
}

TEST(StreamingDetokenizer, FlushGivesOneReplacementAndForgets) {
  const auto tokenizer = MakeOrFail(ByteDefinition({"\xF0\x9F\x98"}));
  StreamingDetokenizer detokenizer(*tokenizer);
  EXPECT_EQ(PushOrFail(detokenizer, 256), "");
  EXPECT_EQ(detokenizer.Flush(), kReplacement);
  EXPECT_EQ(detokenizer.Flush(), "");
  EXPECT_EQ(PushOrFail(detokenizer, 'a'), "a");
}

TEST(StreamingDetokenizer, SpecialTokensAreDroppedOrKept) {
  const auto tokenizer = MakeOrFail(ByteDefinition({}, {"<|end|>"}));
  StreamingDetokenizer dropping(*tokenizer);
  EXPECT_EQ(PushOrFail(dropping, 256), "");
  StreamingDetokenizer keeping(*tokenizer, SpecialTokens::kKeep);
  EXPECT_EQ(PushOrFail(keeping, 256), "<|end|>");
}

// As decoding the ids without the special token would.
TEST(StreamingDetokenizer, ADroppedSpecialTokenDoesNotBreakACharacter) {
  const auto tokenizer = MakeOrFail(ByteDefinition({}, {"<|end|>"}));
  StreamingDetokenizer detokenizer(*tokenizer);
  EXPECT_EQ(PushOrFail(detokenizer, 0xC3), "");
  EXPECT_EQ(PushOrFail(detokenizer, 256), "");
  EXPECT_EQ(PushOrFail(detokenizer, 0xA9), "\xC3\xA9");
}

TEST(StreamingDetokenizer, AnIdOutsideTheVocabularyIsAnErrorAndChangesNothing) {
  const auto tokenizer = MakeOrFail(ByteDefinition());
  StreamingDetokenizer detokenizer(*tokenizer);
  EXPECT_EQ(PushOrFail(detokenizer, 0xC3), "");
  for (TokenId id : {-1, 256}) {
    const auto text = detokenizer.Push(id);
    ASSERT_FALSE(text.ok());
    EXPECT_EQ(text.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(text.status().message(), HasSubstr(std::to_string(id)));
  }
  EXPECT_EQ(PushOrFail(detokenizer, 0xA9), "\xC3\xA9");
}

TEST(StreamingDetokenizer, EveryTokenOfTheModelGivesUtf8) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const auto tokenizer = TokenizerOfFile(*model);
  ASSERT_NE(tokenizer, nullptr);
  StreamingDetokenizer detokenizer(*tokenizer, SpecialTokens::kKeep);
  for (uint32_t id = 0; id < tokenizer->vocabulary_size(); ++id) {
    ASSERT_TRUE(IsUtf8(PushOrFail(detokenizer, static_cast<TokenId>(id)))) << id;
  }
}

}  // namespace
}  // namespace promptcache::testing
