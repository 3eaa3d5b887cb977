#include "common/text/tokenizer_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/text/load_tokenizer.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/text/byte_tokenizer.h"
#include "tests/unit/text/sentencepiece_builder.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A directory that a test fills: at first with vocab.json (256 bytes, 256 "ab", 257 "<s>") and
// merges.txt.
class TokenizerDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    json vocabulary = json::object();
    const BpeDefinition bytes = ByteDefinition({"ab", "<s>"});
    for (size_t id = 0; id < bytes.tokens.size(); ++id) vocabulary[bytes.tokens[id]] = id;
    Write("vocab.json", vocabulary.dump());
    Write("merges.txt", "#version: 0.2\na b\r\n\n");
  }

  void Write(const char* name, const std::string& bytes) {
    std::ofstream(directory_.path() / name, std::ios::binary) << bytes;
  }
  void WriteConfig(const json& config) { Write("tokenizer_config.json", config.dump()); }
  void Remove(const char* name) { std::filesystem::remove(directory_.path() / name); }

  std::unique_ptr<Tokenizer> Load() { return TokenizerOfFile(directory_.path()); }
  void ExpectFault(Code code, const std::string& part) {
    const auto loaded = LoadTokenizerFile(directory_.path());
    ASSERT_FALSE(loaded.ok()) << part;
    EXPECT_EQ(loaded.status().code(), code) << loaded.status().ToString();
    EXPECT_THAT(loaded.status().message(), HasSubstr(part));
    EXPECT_THAT(loaded.status().message(), HasSubstr(directory_.path().string()));
  }

  TempDir directory_;
};

TEST_F(TokenizerDirectory, CutsWordsAsTheTokenizerClassSays) {
  WriteConfig({{"tokenizer_class", "GPT2TokenizerFast"}});
  EXPECT_THAT(EncodeOrFail(*Load(), "ab1"), ElementsAre(256, '1'));
  EXPECT_EQ(EncodeOrFail(*Load(), "e\u0301").size(), 3u);
  WriteConfig({{"tokenizer_class", "Qwen2Tokenizer"}});
  EXPECT_EQ(EncodeOrFail(*Load(), "e\u0301").size(), 2u);
  WriteConfig({{"tokenizer_class", "BertTokenizer"}});
  ExpectFault(Code::kUnimplemented, "tokenizer_class 'BertTokenizer'");
  Remove("tokenizer_config.json");
  ExpectFault(Code::kUnimplemented, "tokenizer_class ''");
  WriteConfig({{"tokenizer_class", "GPT2Tokenizer"}, {"add_prefix_space", true}});
  ExpectFault(Code::kUnimplemented, "'add_prefix_space'");
}

TEST_F(TokenizerDirectory, TakesAddedTokensFromTheConfigOrElseFromTheirFile) {
  Write("added_tokens.json", json({{"<u>", 258}, {"<e>", 259}}).dump());
  WriteConfig({{"tokenizer_class", "GPT2Tokenizer"}, {"eos_token", {{"content", "<e>"}}}});
  auto tokenizer = Load();
  EXPECT_EQ(tokenizer->vocabulary_size(), 260u);
  EXPECT_EQ(tokenizer->FindSpecialPrefix("<u>")->id, 258);
  EXPECT_FALSE(tokenizer->IsSpecial(258));
  EXPECT_TRUE(tokenizer->IsSpecial(259));
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(259));
  WriteConfig({{"tokenizer_class", "GPT2Tokenizer"},
               {"added_tokens_decoder", {{"258", {{"content", "<x>"}, {"special", true}}}}}});
  tokenizer = Load();
  EXPECT_EQ(tokenizer->vocabulary_size(), 259u);
  EXPECT_TRUE(tokenizer->IsSpecial(258));
}

TEST_F(TokenizerDirectory, NamedTokensAreSpecialAndWithoutAnIdComeLast) {
  WriteConfig({{"tokenizer_class", "GPT2Tokenizer"}, {"bos_token", "<s>"}});
  Write("special_tokens_map.json",
        json({{"pad_token", "<pad>"}, {"additional_special_tokens", {"<s>", "<1>"}}}).dump());
  const auto tokenizer = Load();
  EXPECT_TRUE(tokenizer->IsSpecial(257));
  EXPECT_EQ(EncodeOrFail(*tokenizer, "<s>").size(), 3u);
  EXPECT_EQ(tokenizer->FindSpecialPrefix("<pad>")->id, 258);
  EXPECT_EQ(tokenizer->FindSpecialPrefix("<1>")->id, 259);
}

TEST_F(TokenizerDirectory, TextsEndWhereTheModelsSettingsSay) {
  WriteConfig({{"tokenizer_class", "GPT2Tokenizer"}});
  Write("generation_config.json", json({{"eos_token_id", {7, 5}}}).dump());
  Write("config.json", json({{"eos_token_id", 6}, {"hidden_size", 64}}).dump());
  EXPECT_THAT(Load()->end_ids(), ElementsAre(5, 6, 7));
  Write("config.json", json({{"eos_token_id", 258}}).dump());
  ExpectFault(Code::kInvalidArgument, "end token");
  Write("config.json", json({{"eos_token_id", "7"}}).dump());
  ExpectFault(Code::kInvalidArgument, "config.json: eos_token_id");
}

TEST_F(TokenizerDirectory, PrefersTokenizerJsonThenTokenizerModel) {
  WriteConfig({{"tokenizer_class", "LlamaTokenizer"}, {"eos_token", "<s>"}});
  Write("tokenizer.model", ModelOf(LlamaPieces({{"\u2581", -1}, {"a", -1}})));
  auto tokenizer = Load();
  EXPECT_THAT(EncodeOrFail(*tokenizer, "a"), ElementsAre(258, 259));
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(1));
  WriteConfig({{"tokenizer_class", "LlamaTokenizer"}, {"add_prefix_space", false}});
  EXPECT_THAT(EncodeOrFail(*Load(), "a"), ElementsAre(259));
  WriteConfig({{"tokenizer_class", "GemmaTokenizer"}});
  ExpectFault(Code::kUnimplemented, "'GemmaTokenizer'");
  Write("tokenizer.json", "{}");
  ExpectFault(Code::kInvalidArgument, "tokenizer.json: model: not an object");
}

TEST_F(TokenizerDirectory, NamesTheFileWithTheFault) {
  const Code code = Code::kInvalidArgument;
  WriteConfig({{"tokenizer_class", "GPT2Tokenizer"}});
  Write("merges.txt", "a q\n");
  ExpectFault(code, "merge 0 ('a q')");
  Write("merges.txt", "a \xFF\n");
  ExpectFault(code, "merges.txt is not UTF-8");
  Remove("merges.txt");
  ExpectFault(Code::kNotFound, "merges.txt");
  Write("merges.txt", "#version: 0.2\n");
  Write("added_tokens.json", R"({"<u>": 300})");
  ExpectFault(code, "'<u>' cannot have the id 300");
  Write("added_tokens.json", R"({"<u>": 97})");
  ExpectFault(code, "'<u>' cannot have the id 97");
  Write("added_tokens.json", "[");
  ExpectFault(code, "added_tokens.json: not JSON");
  Remove("added_tokens.json");
  Write("vocab.json", R"({"a": 1})");
  ExpectFault(code, "vocab.json: the vocabulary");
  Remove("vocab.json");
  ExpectFault(Code::kNotFound, "neither tokenizer.json, nor tokenizer.model, nor vocab.json");
}

TEST_F(TokenizerDirectory, OfQwen2HasItsSpecialTokens) {
  const auto data = TestDataDir();
  PC_SKIP_WITHOUT(data, "public tokenizers");
  const auto tokenizer = TokenizerOfFile(*data / "data" / "tokenizers" / "qwen2");
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->vocabulary_size(), 151'646u);
  EXPECT_EQ(tokenizer->FindSpecialPrefix("<|im_start|>")->id, 151'644);
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(151'643, 151'645));
}

}  // namespace
}  // namespace promptcache::testing
