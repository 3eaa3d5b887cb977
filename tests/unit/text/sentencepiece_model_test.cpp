#include "common/text/sentencepiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/text/llama_tokenizer.h"
#include "common/text/load_tokenizer.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/text/sentencepiece_builder.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TokenId kMore = 258;  // the first of the pieces that a test adds

Result<std::unique_ptr<Tokenizer>> Read(const std::string& model) {
  PC_ASSIGN_OR_RETURN(BpeDefinition definition, ReadSentencePieceModel(model));
  return MakeTokenizer(std::move(definition));
}

std::vector<TokenId> Ids(const std::vector<ModelPiece>& more, std::string_view text) {
  const auto tokenizer = Read(ModelOf(LlamaPieces(more)));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? EncodeOrFail(**tokenizer, text) : std::vector<TokenId>();
}

void ExpectFault(const std::string& model, Code code, const std::string& part) {
  const auto tokenizer = Read(model);
  ASSERT_FALSE(tokenizer.ok()) << part;
  EXPECT_EQ(tokenizer.status().code(), code) << tokenizer.status().ToString();
  EXPECT_THAT(tokenizer.status().message(), HasSubstr(part));
}

TEST(SentencePieceModel, MergesTheBestScoreFirstAndTheLeftmostAmongEquals) {
  const std::vector<ModelPiece> letters = {{"\u2581", -9}, {"a", -9}, {"b", -9}, {"c", -9}};
  auto more = letters;
  more.insert(more.end(), {{"ab", -2}, {"bc", -1}});
  EXPECT_THAT(Ids(more, "abc"), ElementsAre(kMore, kMore + 1, kMore + 5));
  more[5].score = -2;
  EXPECT_THAT(Ids(more, "abc"), ElementsAre(kMore, kMore + 4, kMore + 3));
  more[5].score = -3;
  EXPECT_THAT(Ids(more, "abc"), ElementsAre(kMore, kMore + 4, kMore + 3));
}

// "é" is no piece, yet a part of one; alone it is two bytes.
TEST(SentencePieceModel, MergesCharactersThatAreNoPieces) {
  const std::vector<ModelPiece> more = {{"\u2581", -9}, {"x", -9}, {"x\u00e9", -1}};
  EXPECT_THAT(Ids(more, "x\u00e9"), ElementsAre(kMore, kMore + 2));
  EXPECT_THAT(Ids(more, "\u00e9"), ElementsAre(kMore, 2 + 0xC3, 2 + 0xA9));
}

TEST(SentencePieceModel, ItsPartsStandForAnUnusedPiece) {
  std::vector<ModelPiece> more = {{"\u2581", -9}, {"a", -9}, {"b", -9}, {"ab", -1, 5}};
  EXPECT_THAT(Ids(more, "ab"), ElementsAre(kMore, kMore + 1, kMore + 2));
  more.push_back({"\u2581ab", -2});
  EXPECT_THAT(Ids(more, "ab"), ElementsAre(kMore + 4));
  more.insert(more.end(), {{"ba", -3}, {"aba", -4, 5}});
  ExpectFault(ModelOf(LlamaPieces(more)), Code::kUnimplemented, "264 can be cut in more than one");
}

TEST(SentencePieceModel, TextGivesNeitherControlNorUserDefinedPieces) {
  const auto read = Read(ModelOf(LlamaPieces({{"\u2581", -9}, {"<user>\u2581x", 0, 4}})));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  const Tokenizer& tokenizer = **read;
  EXPECT_EQ(EncodeOrFail(tokenizer, "<s>").size(), 4u);
  EXPECT_EQ(EncodeOrFail(tokenizer, "<user>").size(), 7u);
  EXPECT_TRUE(tokenizer.IsSpecial(1));
  EXPECT_FALSE(tokenizer.IsSpecial(kMore + 1));
  EXPECT_EQ(tokenizer.FindSpecialPrefix("<user> x")->id, kMore + 1);
  EXPECT_EQ(tokenizer.unknown_id(), 0);
}

TEST(SentencePieceModel, PutsASpaceBeforeATextUnlessTheFileSaysNo) {
  const std::vector<ModelPiece> more = {{"\u2581", -9}, {"a", -9}};
  EXPECT_THAT(Ids(more, "a a"), ElementsAre(kMore, kMore + 1, kMore, kMore + 1));
  const std::string normalizer = ProtobufBuilder().Varint(3, 0).Varint(4, 0).Build();
  const auto without =
      Read(ModelOf(LlamaPieces(more)) + ProtobufBuilder().Bytes(3, normalizer).Build());
  ASSERT_TRUE(without.ok()) << without.status().ToString();
  EXPECT_THAT(EncodeOrFail(**without, "a a"), ElementsAre(kMore + 1, kMore, kMore + 1));
}

TEST(SentencePieceModel, NamesWhatItDoesNotSupport) {
  const Code code = Code::kUnimplemented;
  const std::string pieces = PiecesOf(LlamaPieces({{"\u2581", -9}}));
  const auto with = [&](uint32_t part, const ProtobufBuilder& spec) {
    return ModelOf(LlamaPieces({{"\u2581", -9}})) +
           ProtobufBuilder().Bytes(part, spec.Build()).Build();
  };
  ExpectFault(pieces, code, "model_type 1 UNIGRAM");
  ExpectFault(with(2, ProtobufBuilder().Varint(3, 4)), code, "model_type 4 CHAR");
  ExpectFault(with(2, ProtobufBuilder().Varint(24, 1)), code, "treat_whitespace_as_suffix");
  ExpectFault(with(3, ProtobufBuilder().Bytes(1, "nmt_nfkc").Bytes(2, "map")), code, "'nmt_nfkc'");
  ExpectFault(with(3, ProtobufBuilder().Varint(4, 1)), code, "remove_extra_whitespaces");
  ExpectFault(with(3, ProtobufBuilder().Varint(5, 0)), code, "escape_whitespaces");
  ExpectFault(with(5, ProtobufBuilder().Bytes(2, "map")), code, "denormalizer_spec");
  ExpectFault(ModelOf(LlamaPieces({{"\u2581\u2581", 0, 4}})), code, "white space");
}

TEST(SentencePieceModel, RefusesContradictions) {
  const Code code = Code::kInvalidArgument;
  ExpectFault("", code, "no pieces");
  ExpectFault(ModelOf(LlamaPieces({{"a"}, {"a"}})), code, "piece 259 ('a') is there twice");
  ExpectFault(ModelOf(LlamaPieces({{""}})), code, "piece 258 is empty");
  ExpectFault(ModelOf(LlamaPieces({{"\xFF"}})), code, "piece 258 is empty or not UTF-8");
  ExpectFault(ModelOf(LlamaPieces({{"a", 0, 6}})), code, "258 ('a') cannot be of type 6");
  ExpectFault(ModelOf(LlamaPieces({{"a", 0, 7}})), code, "cannot be of type 7");
  ExpectFault(ModelOf({{"<0x41>"}}), code, "cannot be of type 1");
  ExpectFault(ModelOf({{"a"}}), code, "<0x00>");
  ExpectFault(ModelOf(LlamaPieces({{std::string(257, 'a')}})), code, "257 bytes");
  ExpectFault(ModelOf(LlamaPieces({{"a", std::numeric_limits<float>::infinity()}})), code,
              "finite");
}

TEST(SentencePieceModel, RefusesWhatIsNoProtobuf) {
  const Code code = Code::kInvalidArgument;
  ExpectFault("{\"model\": 1}", code, "not protobuf");
  ExpectFault("\x0A\xFF\xFF\xFF\xFF\x0F", code, "longer than the message at byte 6");
  ExpectFault("\x0A", code, "inside a number at byte 1");
  ExpectFault(std::string("\x08") + std::string(10, '\xFF'), code, "past 64 bits");
  ExpectFault("\x0B", code, "unknown type");
  ExpectFault(std::string(1, '\0'), code, "without a number");
  ExpectFault(ProtobufBuilder().Varint(1, 5).Build(), code, "pieces has another type");
  ExpectFault(std::string((size_t{16} << 20) + 1, '\x0A'), Code::kResourceExhausted, "16 MiB");
}

// Its twin as a tokenizer.json says the same with merges instead of scores.
TEST(SentencePieceModel, OfLlama2GivesWhatItsTokenizerJsonGives) {
  const auto data = TestDataDir();
  PC_SKIP_WITHOUT(data, "public tokenizers");
  const auto folder = *data / "data" / "tokenizers" / "llama2";
  const auto model = TokenizerOfFile(folder / "tokenizer.model");
  const auto twin = TokenizerOfFile(folder / "tokenizer.fixed.json");
  ASSERT_TRUE(model && twin);
  ASSERT_EQ(model->vocabulary_size(), twin->vocabulary_size());
  for (TokenId id = 0; id < static_cast<TokenId>(model->vocabulary_size()); ++id) {
    EXPECT_EQ(*model->TokenBytes(id), *twin->TokenBytes(id));
    EXPECT_EQ(model->IsSpecial(id), twin->IsSpecial(id));
  }
  EXPECT_EQ(model->end_ids(), twin->end_ids());
  EXPECT_EQ(model->unknown_id(), twin->unknown_id());
  const std::string text = ReadText(folder / "LICENSE") + ReadText(folder / "tokenizer.fixed.json");
  EXPECT_EQ(EncodeOrFail(*model, text), EncodeOrFail(*twin, text));
}

}  // namespace
}  // namespace promptcache::testing
