#include "common/text/load_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/test_env.h"
#include "tests/unit/formats/gguf_builder.h"
#include "tests/unit/text/byte_tokenizer.h"
#include "tests/unit/text/sentencepiece_builder.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What a file's tokenizer keys say; a test changes one and loads.
struct Keys {
  std::string model = "gpt2";
  std::string pre = "smollm";
  // 256 bytes, "ab", then <|im_end|> and <|added|>.
  std::vector<std::string> tokens = ByteDefinition({"ab"}, {"<|im_end|>", "<|added|>"}).tokens;
  std::vector<std::string> merges = {"a b"};
  std::vector<int32_t> types = [] {
    std::vector<int32_t> all(257, 1);
    all.insert(all.end(), {3, 4});
    return all;
  }();
  uint32_t eos = 257;
};

Result<std::unique_ptr<Tokenizer>> Load(const GgufBuilder& builder) {
  const auto bytes = builder.Build();
  const auto file = GgufFile::Parse(bytes, "model.gguf");
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  return LoadTokenizer(**file);
}

Result<std::unique_ptr<Tokenizer>> Load(const Keys& keys) {
  return Load(GgufBuilder()
                  .String("tokenizer.ggml.model", keys.model)
                  .String("tokenizer.ggml.pre", keys.pre)
                  .Strings("tokenizer.ggml.tokens", keys.tokens)
                  .Strings("tokenizer.ggml.merges", keys.merges)
                  .I32s("tokenizer.ggml.token_type", keys.types)
                  .U32("tokenizer.ggml.eos_token_id", keys.eos));
}

void ExpectFault(const Keys& keys, Code code, std::string_view part) {
  const auto tokenizer = Load(keys);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.status().code(), code);
  EXPECT_THAT(tokenizer.status().message(), HasSubstr(std::string(part)));
  EXPECT_THAT(tokenizer.status().message(), HasSubstr("model.gguf"));
}

TEST(LoadTokenizer, TakesEverythingFromTheFile) {
  const auto loaded = Load(Keys());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Tokenizer& tokenizer = **loaded;
  EXPECT_EQ(tokenizer.vocabulary_size(), 259u);
  EXPECT_THAT(EncodeOrFail(tokenizer, "ab12"), ElementsAre(256, '1', '2'));
  EXPECT_TRUE(tokenizer.IsSpecial(257));
  EXPECT_FALSE(tokenizer.IsSpecial(258));
  EXPECT_EQ(tokenizer.FindSpecialPrefix("<|added|>")->id, 258);
  EXPECT_THAT(tokenizer.end_ids(), ElementsAre(257));
  EXPECT_EQ(tokenizer.unknown_id(), std::nullopt);
}

TEST(LoadTokenizer, TurnsEndAtTheNamedTokensAndTheWellKnownOnes) {
  Keys keys;
  keys.eos = 7;
  const auto loaded = Load(keys);
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_THAT((*loaded)->end_ids(), ElementsAre(7, 257));
}

TEST(LoadTokenizer, NamesWhatItDoesNotSupport) {
  Keys model;
  model.model = "bert";
  ExpectFault(model, Code::kUnimplemented, "'bert'");
  Keys pre;
  pre.pre = "tekken";
  ExpectFault(pre, Code::kUnimplemented, "'tekken'");
}

TEST(LoadTokenizer, NamesAMissingKey) {
  const auto tokenizer = Load(GgufBuilder().String("tokenizer.ggml.model", "gpt2"));
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.status().code(), Code::kNotFound);
  EXPECT_THAT(tokenizer.status().message(),
              HasSubstr("model.gguf: the key 'tokenizer.ggml.tokens'"));
}

TEST(LoadTokenizer, RefusesContradictions) {
  Keys types;
  types.types.pop_back();
  ExpectFault(types, Code::kInvalidArgument, "259 tokens but 258 kinds");
  Keys merges;
  merges.merges = {"a q"};
  ExpectFault(merges, Code::kInvalidArgument, "merge 0 ('a q')");
  Keys end;
  end.eos = 259;
  ExpectFault(end, Code::kInvalidArgument, "end token");
  Keys large;
  large.eos = UINT32_MAX;
  ExpectFault(large, Code::kInvalidArgument, "tokenizer.ggml.eos_token_id");
  Keys letter;
  letter.tokens['k'] = "no";
  ExpectFault(letter, Code::kInvalidArgument, "byte 107");
}

// What a file with SentencePiece's vocabulary says; `more` tokens of score -1 after the bytes.
GgufBuilder SentencePieceFile(const std::vector<std::string>& more) {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;
  std::vector<ModelPiece> pieces = LlamaPieces({});
  for (const std::string& token : more) pieces.push_back({token, -1});
  for (const ModelPiece& piece : pieces) {
    tokens.push_back(piece.text);
    types.push_back(static_cast<int32_t>(piece.type));
    scores.push_back(piece.score);
  }
  return GgufBuilder()
      .String("tokenizer.ggml.model", "llama")
      .Strings("tokenizer.ggml.tokens", tokens)
      .I32s("tokenizer.ggml.token_type", types)
      .F32s("tokenizer.ggml.scores", scores)
      .U32("tokenizer.ggml.eos_token_id", 1);
}

TEST(LoadTokenizer, ReadsVocabulariesOfSentencePiece) {
  const auto loaded = Load(SentencePieceFile({"\u2581", "a", "\u2581a"}));
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_THAT(EncodeOrFail(**loaded, "aa1"), ElementsAre(260, 259, 2 + '1'));
  EXPECT_THAT((*loaded)->end_ids(), ElementsAre(1));
  EXPECT_EQ((*loaded)->unknown_id(), 0);
  const auto without = Load(
      SentencePieceFile({"\u2581", "a", "\u2581a"}).Bool("tokenizer.ggml.add_space_prefix", false));
  ASSERT_TRUE(without.ok()) << without.status().ToString();
  EXPECT_THAT(EncodeOrFail(**without, "a a"), ElementsAre(259, 260));
  EXPECT_NE((*without)->digest(), (*loaded)->digest());
}

TEST(LoadTokenizer, NamesWhatItDoesNotSupportOfSentencePiece) {
  const auto spaces =
      Load(SentencePieceFile({"\u2581"}).Bool("tokenizer.ggml.remove_extra_whitespaces", true));
  EXPECT_EQ(spaces.status().code(), Code::kUnimplemented);
  EXPECT_THAT(spaces.status().message(), HasSubstr("remove_extra_whitespaces"));
  const auto map =
      Load(SentencePieceFile({"\u2581"}).I32s("tokenizer.ggml.precompiled_charsmap", {1}));
  EXPECT_EQ(map.status().code(), Code::kUnimplemented);
  EXPECT_THAT(map.status().message(), HasSubstr("precompiled_charsmap"));
}

TEST(LoadTokenizer, ReadsTheModels) {
  const auto model = ModelPath();
  PC_SKIP_WITHOUT(model, "the model");
  const auto tokenizer = TokenizerOfFile(*model);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->vocabulary_size(), 49152u);
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(0, 2));
  EXPECT_EQ(tokenizer->FindSpecialPrefix("<|im_end|>")->id, 2);
  EXPECT_TRUE(tokenizer->IsSpecial(16));
  EXPECT_FALSE(tokenizer->IsSpecial(17));
}

// Vocabulary files that are damaged: an error that names the file, or nothing wrong was found.
TEST(LoadTokenizer, DamagedFilesGiveErrorsThatNameThem) {
  const auto data = TestDataDir();
  PC_SKIP_WITHOUT(data, "damaged GGUF files");
  for (const auto& entry :
       std::filesystem::directory_iterator(*data / "data" / "attack" / "gguf-corrupt")) {
    const auto file = GgufFile::Open(entry.path());
    const Status fault = file.ok() ? LoadTokenizer(**file).status() : file.status();
    EXPECT_FALSE(fault.ok()) << entry.path();
    EXPECT_THAT(fault.message(), HasSubstr(entry.path().filename().string()));
  }
}

}  // namespace
}  // namespace promptcache::testing
