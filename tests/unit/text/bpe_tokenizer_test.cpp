#include "common/text/bpe_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/text/byte_tokenizer.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Status FaultOf(BpeDefinition definition) {
  const auto made = MakeBpeTokenizer(std::move(definition));
  EXPECT_FALSE(made.ok());
  return made.status();
}

TEST(BpeTokenizer, MergesTheBestRankFirstAndTheLeftmostAmongEquals) {
  BpeDefinition definition = ByteDefinition({"ab", "bc", "abc", "aa"});
  definition.merges = {"b c", "a b", "a bc", "a a"};
  const auto tokenizer = MakeOrFail(definition);
  EXPECT_THAT(EncodeOrFail(*tokenizer, "abc"), ElementsAre(258));
  EXPECT_THAT(EncodeOrFail(*tokenizer, "abx"), ElementsAre(256, 'x'));
  EXPECT_THAT(EncodeOrFail(*tokenizer, "aaa"), ElementsAre(259, 'a'));
}

TEST(BpeTokenizer, NeverMergesAcrossWords) {
  BpeDefinition definition = ByteDefinition({"a "});
  definition.merges = {"a \xC4\xA0"};  // "a" and the space
  const auto tokenizer = MakeOrFail(definition);
  EXPECT_THAT(EncodeOrFail(*tokenizer, "a b"), ElementsAre('a', ' ', 'b'));
}

TEST(BpeTokenizer, TakesAWholeWordOnlyWhereMergesAreIgnored) {
  BpeDefinition definition = ByteDefinition({"xyz"});  // no merge makes it
  EXPECT_THAT(EncodeOrFail(*MakeOrFail(definition), "xyz"), ElementsAre('x', 'y', 'z'));
  definition.ignore_merges = true;
  EXPECT_THAT(EncodeOrFail(*MakeOrFail(definition), "xyz"), ElementsAre(256));
}

TEST(BpeTokenizer, GivesTheSameIdsTheSecondTime) {
  BpeDefinition definition = ByteDefinition({"ab"});
  definition.merges = {"a b"};
  const auto tokenizer = MakeOrFail(definition);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(EncodeOrFail(*tokenizer, "abb ab"), ElementsAre(256, 'b', ' ', 256));
  }
}

TEST(BpeTokenizer, DropsBytesThatTheVocabularyLacks) {
  BpeDefinition definition = ByteDefinition({"ab"});
  definition.tokens[0x04] = definition.tokens[0x05];
  definition.merges = {"a b"};
  definition.unknown = 0;
  const auto tokenizer = MakeOrFail(definition);
  EXPECT_THAT(EncodeOrFail(*tokenizer, "\x04"), IsEmpty());
  EXPECT_THAT(EncodeOrFail(*tokenizer, "a\x04!"), ElementsAre('a', '!'));
}

TEST(BpeTokenizer, TokenOutsideTheAlphabetTakesNoBytesFromText) {
  BpeDefinition definition = ByteDefinition();
  definition.tokens.insert(definition.tokens.begin(),
                           " ");  // the alphabet writes a space otherwise
  definition.kinds.push_back(TokenKind::kNormal);
  const auto tokenizer = MakeOrFail(definition);
  EXPECT_THAT(EncodeOrFail(*tokenizer, " "), ElementsAre(' ' + 1));
  EXPECT_EQ(*tokenizer->TokenBytes(0), " ");
}

TEST(BpeTokenizer, EncodesAVeryLongWord) {
  BpeDefinition definition = ByteDefinition({"aa", "aaaa"});
  definition.merges = {"a a", "aa aa"};
  const auto tokenizer = MakeOrFail(definition);
  const auto ids = EncodeOrFail(*tokenizer, std::string((1 << 20) + 3, 'a'));
  ASSERT_EQ(ids.size(), (1u << 18) + 2);
  EXPECT_EQ(ids[0], 257);
  EXPECT_EQ(ids[ids.size() - 2], 256);
  EXPECT_EQ(ids.back(), 'a');
}

TEST(BpeTokenizer, RefusesATextPastItsLimit) {
  const auto tokenizer = MakeOrFail(ByteDefinition());
  const auto ids = tokenizer->Encode(std::string((size_t{64} << 20) + 1, ' '));
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(ids.status().message(), HasSubstr("64 MiB"));
}

TEST(BpeTokenizer, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = MakeOrFail(ByteDefinition());
  EXPECT_EQ(tokenizer->Encode("a\xC3(").status().code(), Code::kInvalidArgument);
}

TEST(BpeTokenizer, TokensHaveTheirBytesAndOnlyKnownIds) {
  const auto tokenizer = MakeOrFail(ByteDefinition({"\xE2\x82"}, {"<|end|>"}));
  EXPECT_EQ(tokenizer->vocabulary_size(), 258u);
  EXPECT_EQ(*tokenizer->TokenBytes(0xFF), "\xFF");
  EXPECT_EQ(*tokenizer->TokenBytes(256), "\xE2\x82");
  EXPECT_EQ(*tokenizer->TokenBytes(257), "<|end|>");
  EXPECT_TRUE(tokenizer->IsSpecial(257));
  EXPECT_FALSE(tokenizer->IsSpecial(256));
  for (TokenId id : {-1, 258, INT32_MAX, INT32_MIN}) {
    EXPECT_FALSE(tokenizer->IsSpecial(id));
    const auto bytes = tokenizer->TokenBytes(id);
    ASSERT_FALSE(bytes.ok());
    EXPECT_EQ(bytes.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(bytes.status().message(), HasSubstr(std::to_string(id)));
  }
}

TEST(BpeTokenizer, FindsTheLongestSpecialPrefix) {
  const auto tokenizer = MakeOrFail(ByteDefinition({}, {"<a", "<a>b", "[X]"}));
  const auto found = tokenizer->FindSpecialPrefix("<a>bc");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, 257);
  EXPECT_EQ(found->bytes, 4u);
  EXPECT_EQ(tokenizer->FindSpecialPrefix("<a>")->bytes, 2u);
  EXPECT_EQ(tokenizer->FindSpecialPrefix("[X]")->id, 258);
  EXPECT_FALSE(tokenizer->FindSpecialPrefix(""));
  EXPECT_FALSE(tokenizer->FindSpecialPrefix("a<a"));
  EXPECT_FALSE(tokenizer->FindSpecialPrefix("<"));
}

TEST(BpeTokenizer, RefusesMergesThatJoinNothing) {
  for (const char* merge : {"a", "a ", " a", "a zz", "a b", "", "a b c", "\xFF b"}) {
    BpeDefinition definition = ByteDefinition();
    definition.merges = {merge};
    const Status fault = FaultOf(std::move(definition));
    EXPECT_EQ(fault.code(), Code::kInvalidArgument);
    EXPECT_THAT(fault.message(), HasSubstr("merge 0"));
  }
}

TEST(BpeTokenizer, RefusesVocabulariesThatCannotBe) {
  EXPECT_THAT(FaultOf({}).message(), HasSubstr("0 tokens"));
  BpeDefinition kinds = ByteDefinition();
  kinds.kinds.pop_back();
  EXPECT_THAT(FaultOf(kinds).message(), HasSubstr("256 tokens but 255 kinds"));
  BpeDefinition letter = ByteDefinition();
  letter.tokens['q'] = letter.tokens['r'];
  EXPECT_THAT(FaultOf(letter).message(), HasSubstr("no token for byte 113"));
  BpeDefinition unknown = ByteDefinition();
  unknown.unknown = 256;
  EXPECT_THAT(FaultOf(unknown).message(), HasSubstr("unknown token"));
  for (TokenId end : {-1, 256}) {
    BpeDefinition ends = ByteDefinition();
    ends.end = {end};
    EXPECT_THAT(FaultOf(ends).message(), HasSubstr("end token"));
  }
}

// What decides the ids decides the digest, and nothing else does.
TEST(BpeTokenizer, DigestChangesWithEverythingThatDecidesIds) {
  const Digest256 base = MakeOrFail(ByteDefinition({"ab"}))->digest();
  EXPECT_EQ(MakeOrFail(ByteDefinition({"ab"}))->digest(), base);
  EXPECT_NE(MakeOrFail(ByteDefinition({"ac"}))->digest(), base);
  EXPECT_NE(MakeOrFail(ByteDefinition({}, {"ab"}))->digest(), base);
  BpeDefinition merges = ByteDefinition({"ab"});
  merges.merges = {"a b"};
  EXPECT_NE(MakeOrFail(merges)->digest(), base);
  BpeDefinition pretokenizer = ByteDefinition({"ab"});
  pretokenizer.pretokenizer = "qwen2";
  EXPECT_NE(MakeOrFail(pretokenizer)->digest(), base);
  BpeDefinition whole = ByteDefinition({"ab"});
  whole.ignore_merges = true;
  EXPECT_NE(MakeOrFail(whole)->digest(), base);
  BpeDefinition end = ByteDefinition({"ab"});
  end.end = {0};
  EXPECT_EQ(MakeOrFail(end)->digest(), base);
}

TEST(BpeTokenizer, EncodesOnManyThreadsAtOnce) {
  BpeDefinition definition = ByteDefinition({"ab"});
  definition.merges = {"a b"};
  const auto tokenizer = MakeOrFail(definition);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const std::string word = "ab" + std::to_string(i % 50);
        EXPECT_EQ(BytesOf(*tokenizer, EncodeOrFail(*tokenizer, word)), word);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace promptcache::testing
