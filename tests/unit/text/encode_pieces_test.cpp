#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/text/tokenizer.h"
#include "common/text/toy_tokenizer.h"
#include "tests/unit/text/byte_tokenizer.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Ids: 256 "ab", 257 "<|end|>", 258 "[INST]".
class EncodePiecesTest : public ::testing::Test {
 protected:
  std::vector<TokenId> Encode(const std::vector<TextPiece>& pieces) const {
    const auto ids = EncodePieces(*tokenizer_, pieces);
    EXPECT_TRUE(ids.ok()) << ids.status().ToString();
    return *ids;
  }

  const std::unique_ptr<Tokenizer> tokenizer_ = [] {
    BpeDefinition definition = ByteDefinition({"ab"}, {"<|end|>", "[INST]"});
    definition.merges = {"a b"};
    return MakeOrFail(std::move(definition));
  }();
};

TEST_F(EncodePiecesTest, NothingGivesNothing) {
  EXPECT_THAT(Encode({}), IsEmpty());
  EXPECT_THAT(Encode({{"", false}, {"", true}}), IsEmpty());
}

TEST_F(EncodePiecesTest, NeighbouringTextIsOneString) {
  EXPECT_THAT(Encode({{"a", false}, {"b", false}}), ElementsAre(256));
  EXPECT_THAT(Encode({{"a", true}, {"b", false}}), ElementsAre(256));
  EXPECT_THAT(Encode({{"a", false}, {"", true}, {"b", true}}), ElementsAre(256));
}

TEST_F(EncodePiecesTest, SpecialTokensOfTemplatesCutTheText) {
  EXPECT_THAT(Encode({{"a", false}, {"<|end|>b", true}}), ElementsAre('a', 257, 'b'));
  EXPECT_THAT(Encode({{"<|end|><|end|>", true}}), ElementsAre(257, 257));
  EXPECT_THAT(Encode({{"[INST]", true}, {"ab", false}}), ElementsAre(258, 256));
}

TEST_F(EncodePiecesTest, SpecialTokensInTextStayText) {
  EXPECT_EQ(BytesOf(*tokenizer_, Encode({{"<|end|>", false}})), "<|end|>");
  EXPECT_EQ(Encode({{"<|end|>", false}}).size(), 7u);
}

// A user must not be able to complete what a template begins, nor the other way round.
TEST_F(EncodePiecesTest, NoSpecialTokenArisesAcrossABorder) {
  for (size_t cut = 1; cut < 7; ++cut) {
    const std::string token = "<|end|>";
    for (const bool template_first : {true, false}) {
      const auto ids =
          Encode({{token.substr(0, cut), template_first}, {token.substr(cut), !template_first}});
      EXPECT_THAT(ids, ::testing::Not(::testing::Contains(257))) << cut;
    }
    EXPECT_THAT(Encode({{token.substr(0, cut), true}, {token.substr(cut), true}}),
                ::testing::Not(::testing::Contains(257)));
  }
}

TEST_F(EncodePiecesTest, CharactersMayCrossBorders) {
  EXPECT_EQ(BytesOf(*tokenizer_, Encode({{"\xC3", false}, {"\xA9", false}})), "\xC3\xA9");
}

TEST_F(EncodePiecesTest, TextThatIsNotUtf8IsAnError) {
  for (const bool from_template : {true, false}) {
    const auto ids = EncodePieces(*tokenizer_, {{"\xC3", from_template}, {"<|end|>", true}});
    ASSERT_FALSE(ids.ok());
    EXPECT_EQ(ids.status().code(), Code::kInvalidArgument);
  }
}

TEST_F(EncodePiecesTest, AToyHasNoSpecialTokens) {
  const auto toy = MakeToyTokenizer();
  const auto ids = EncodePieces(*toy, {{"one", false}, {"<|end|>", true}, {"two", false}});
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(BytesOf(*toy, *ids), "one<|end|>two");
  EXPECT_EQ(ids->size(), 1u);
}

}  // namespace
}  // namespace promptcache::testing
