// The byte-level tokenizer against the ids and texts that transformers gives (tests/golden/text).
// Each fact holds for the tokenizer of the model file and for those of public vocabularies with
// other pre-tokenizers.
#include <gtest/gtest.h>

#include <iterator>
#include <sstream>

#include "common/text/detokenizer.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

// Where a tokenizer comes from, and the golden file for it.
struct Source {
  const char* name;
  const char* golden;
};

void PrintTo(const Source& source, std::ostream* out) { *out << source.name; }

class TokenizerGolden : public ::testing::TestWithParam<Source> {
 protected:
  void SetUp() override {
    golden_ = TextGolden(GetParam().golden);
    Load();
  }

  std::string Decode(const std::vector<TokenId>& ids) const {
    StreamingDetokenizer detokenizer(*tokenizer_, SpecialTokens::kKeep);
    std::string text;
    for (TokenId id : ids) {
      const auto piece = detokenizer.Push(id);
      EXPECT_TRUE(piece.ok()) << piece.status().ToString();
      if (piece.ok()) text += *piece;
    }
    return text + detokenizer.Flush();
  }

  json golden_;
  std::unique_ptr<Tokenizer> tokenizer_;

 private:
  void Load() {
    const std::string name = GetParam().name;
    if (name == "gguf") {
      const auto model = ModelPath();
      PC_SKIP_WITHOUT(model, "the model");
      tokenizer_ = TokenizerOfGguf(*model);
    } else {
      const auto data = TestDataDir();
      PC_SKIP_WITHOUT(data, "public tokenizers");
      const auto folder = *data / "data" / "tokenizers";
      if (name == "smollm2") {
        tokenizer_ = TokenizerOfJson(folder / "smollm2" / "tokenizer.json", "smollm");
      } else if (name == "qwen2") {
        tokenizer_ = TokenizerOfVocabulary(folder / "qwen2", "qwen2",
                                           {"<|im_start|>", "<|im_end|>", "<|endoftext|>"});
      } else {
        tokenizer_ = TokenizerOfVocabulary(folder / "llama3.2", "llama-bpe",
                                           {"<|begin_of_text|>", "<|eot_id|>", "<|end_of_text|>"});
      }
    }
    ASSERT_NE(tokenizer_, nullptr);
  }
};

TEST_P(TokenizerGolden, EncodesTextsAsTransformers) {
  for (const json& one : golden_["texts"]) {
    EXPECT_EQ(EncodeOrFail(*tokenizer_, one["text"].get<std::string>()),
              one["ids"].get<std::vector<TokenId>>())
        << one["name"];
  }
}

TEST_P(TokenizerGolden, RecognisesSpecialTokensOfTemplatesAsTransformers) {
  size_t with_specials = 0;
  for (const json& one : golden_["texts"]) {
    const auto expected = one.contains("special_ids") ? one["special_ids"] : one["ids"];
    with_specials += one.contains("special_ids") ? 1 : 0;
    const auto ids = EncodePieces(*tokenizer_, {{one["text"].get<std::string>(), true}});
    ASSERT_TRUE(ids.ok()) << ids.status().ToString();
    EXPECT_EQ(*ids, expected.get<std::vector<TokenId>>()) << one["name"];
  }
  EXPECT_GT(with_specials, 3u);
}

TEST_P(TokenizerGolden, NeverMakesSpecialTokensOfText) {
  for (const json& one : golden_["texts"]) {
    for (TokenId id : EncodeOrFail(*tokenizer_, one["text"].get<std::string>())) {
      EXPECT_FALSE(tokenizer_->IsSpecial(id)) << one["name"];
    }
  }
}

TEST_P(TokenizerGolden, DecodesWhatItEncoded) {
  for (const json& one : golden_["texts"]) {
    const std::string text = one["text"];
    if (one.contains("lossy")) continue;  // the vocabulary lacks some bytes
    EXPECT_EQ(Decode(EncodeOrFail(*tokenizer_, text)), text) << one["name"];
  }
}

TEST_P(TokenizerGolden, DecodesPiecesOfCharactersAsTransformers) {
  for (const json& one : golden_["decoded"]) {
    EXPECT_EQ(Decode(one["ids"].get<std::vector<TokenId>>()), one["text"].get<std::string>())
        << one["name"];
  }
}

// An independent implementation's vectors: texts, and a line of ids for each.
class TokenizerVectors : public TokenizerGolden {};

TEST_P(TokenizerVectors, EncodesAsLlamaCpp) {
  const std::string name = std::string(GetParam().name) == "llama3" ? "llama-bpe" : "qwen2";
  const auto folder = *TestDataDir() / "data" / "tokenizers" / "test-vectors";
  const std::string texts = ReadText(folder / (name + ".gguf.inp"));
  std::istringstream lines(ReadText(folder / (name + ".gguf.out")));
  const std::string separator = "\n__ggml_vocab_test__\n";
  size_t count = 0;
  for (size_t begin = 0; begin < texts.size(); ++count) {
    const size_t end = texts.find(separator, begin);
    std::string line;
    std::getline(lines, line);
    std::istringstream numbers(line);
    const std::vector<TokenId> expected{std::istream_iterator<TokenId>(numbers), {}};
    const std::string text = texts.substr(begin, end - begin);
    EXPECT_EQ(EncodeOrFail(*tokenizer_, text), expected) << text;
    begin = end == std::string::npos ? texts.size() : end + separator.size();
  }
  EXPECT_GT(count, 20u);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden,
                         ::testing::Values(Source{"gguf", "smollm2"}, Source{"smollm2", "smollm2"},
                                           Source{"qwen2", "qwen2"}, Source{"llama3", "llama3"}),
                         [](const auto& test) { return std::string(test.param.name); });

INSTANTIATE_TEST_SUITE_P(All, TokenizerVectors,
                         ::testing::Values(Source{"qwen2", "qwen2"}, Source{"llama3", "llama3"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace promptcache::testing
