// The byte-level tokenizer against the ids and texts that transformers gives (tests/golden/text).
// Each fact holds for the tokenizer of the model file and for those of public vocabularies with
// other pre-tokenizers.
#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <sstream>

#include "common/text/detokenizer.h"
#include "common/text/nfc.h"
#include "common/text/utf8.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using namespace std::string_view_literals;
using nlohmann::json;

// Where a tokenizer comes from, the golden file for it, and the vectors.
struct Source {
  const char* name;
  const char* golden;
  const char* vectors = "";
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
    text += detokenizer.Flush();
    return PutsSpaceFirst() && text.starts_with(' ') ? text.substr(1) : text;
  }

  // A space before every text.
  static bool PutsSpaceFirst() {
    return GetParam().golden == "llama2"sv || GetParam().golden == "stories260k"sv;
  }

  json golden_;
  std::unique_ptr<Tokenizer> tokenizer_;

 private:
  void Load() {
    const std::string name = GetParam().name;
    if (name == "gguf") {
      const auto model = ModelPath();
      PC_SKIP_WITHOUT(model, "the model");
      tokenizer_ = TokenizerOfFile(*model);
    } else {
      const auto data = TestDataDir();
      PC_SKIP_WITHOUT(data, "public tokenizers");
      tokenizer_ = PublicTokenizer(name, *data / "data" / "tokenizers");
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
  const std::string name = GetParam().vectors;
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

// Random characters of all kinds, many of them spaces: what is encoded comes back, in normal form
// where the tokenizer brings it there, but for bytes that the vocabulary lacks.
TEST_P(TokenizerGolden, RoundTripsRandomUtf8) {
  constexpr char32_t kLimits[] = {0x80, 0x800, 0xD800, 0x10000, 0x110000};
  std::string known;
  for (uint32_t id = 0; id < tokenizer_->vocabulary_size(); ++id) {
    const auto bytes = tokenizer_->TokenBytes(static_cast<TokenId>(id));
    if (bytes.ok() && bytes->size() == 1) known += *bytes;
  }
  std::mt19937 random(17);
  for (int round = 0; round < 200; ++round) {
    std::string text = PutsSpaceFirst() ? " " : "";
    const size_t begin = text.size();
    for (int i = 0; i < 100; ++i) {
      const char32_t code = random() % kLimits[random() % std::size(kLimits)];
      const bool character = code < 0xD800 || code > 0xDFFF;
      AppendUtf8(random() % 4 == 0 || !character || code == 0x2581 ? U' ' : code, text);
    }
    const auto ids = EncodeOrFail(*tokenizer_, text.substr(begin));
    if (GetParam().golden == "qwen2"sv || GetParam().golden == "mpt"sv) {
      std::string buffer;
      text = std::string(Nfc(text, buffer));
    }
    std::erase_if(text, [&](char byte) { return known.find(byte) == std::string::npos; });
    EXPECT_EQ(BytesOf(*tokenizer_, ids), text);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden,
                         ::testing::Values(Source{"gguf", "smollm2"}, Source{"smollm2", "smollm2"},
                                           Source{"qwen2", "qwen2"}, Source{"llama3", "llama3"},
                                           Source{"falcon", "falcon"}, Source{"mpt", "mpt"},
                                           Source{"llama2", "llama2"},
                                           Source{"llama2model", "llama2"},
                                           Source{"stories260k", "stories260k"}),
                         [](const auto& test) { return std::string(test.param.name); });

INSTANTIATE_TEST_SUITE_P(All, TokenizerVectors,
                         ::testing::Values(Source{"qwen2", "qwen2", "qwen2"},
                                           Source{"llama3", "llama3", "llama-bpe"},
                                           Source{"falcon", "falcon", "falcon"},
                                           Source{"mpt", "mpt", "mpt"},
                                           Source{"llama2", "llama2", "llama-spm"},
                                           Source{"llama2model", "llama2", "llama-spm"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace promptcache::testing
