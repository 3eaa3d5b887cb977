#include "tests/unit/text/tokenizer_files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "common/text/llama_tokenizer.h"
#include "common/text/load_tokenizer.h"
#include "common/text/tokenizer_directory.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

std::unique_ptr<Tokenizer> Make(BpeDefinition definition) {
  auto tokenizer = MakeTokenizer(std::move(definition));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// Of a folder of which there are only vocab.json and merges.txt.
std::unique_ptr<Tokenizer> Llama3Tokenizer(const std::filesystem::path& folder) {
  auto definition =
      ReadVocabulary(ReadText(folder / "vocab.json"), ReadText(folder / "merges.txt"));
  EXPECT_TRUE(definition.ok()) << definition.status().ToString();
  if (!definition.ok()) return nullptr;
  for (const char* special :
       {"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
        "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>",
        "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"}) {
    definition->tokens.emplace_back(special);
    definition->kinds.push_back(TokenKind::kSpecial);
  }
  definition->pretokenizer = "llama-bpe";
  definition->ignore_merges = true;
  return Make(*std::move(definition));
}

// Of a file of llama2.c: the longest token's length, then score, length and bytes of each, with
// spaces in them.
std::unique_ptr<Tokenizer> StoriesTokenizer(const std::filesystem::path& file) {
  BpeDefinition definition{.alphabet = BpeAlphabet::kCharacters};
  const std::string bytes = ReadText(file);
  for (size_t at = 4; at + 8 <= bytes.size();) {
    float score = 0;
    uint32_t length = 0;
    std::memcpy(&score, &bytes[at], 4);
    std::memcpy(&length, &bytes[at + 4], 4);
    std::string token;
    for (const char byte : bytes.substr(at + 8, length)) {
      token += byte == ' ' ? "\u2581" : std::string(1, byte);
    }
    definition.kinds.push_back(definition.tokens.size() < 3 ? TokenKind::kSpecial
                                                            : TokenKind::kNormal);
    definition.tokens.push_back(token);
    definition.scores.push_back(score);
    at += 8 + length;
  }
  definition.tokens.at(1) = "<s>";  // the file has line feeds around them
  definition.tokens.at(2) = "</s>";
  return Make(std::move(definition));
}

}  // namespace

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::unique_ptr<Tokenizer> TokenizerOfFile(const std::filesystem::path& file) {
  auto tokenizer = LoadTokenizerFile(file);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::unique_ptr<Tokenizer> PublicTokenizer(const std::string& name,
                                           const std::filesystem::path& tokenizers) {
  if (name == "smollm2") return TokenizerOfFile(tokenizers / "smollm2" / "tokenizer.json");
  if (name == "falcon") return TokenizerOfFile(tokenizers / "falcon-7b" / "tokenizer.json");
  if (name == "mpt") return TokenizerOfFile(tokenizers / "mpt-7b" / "tokenizer.recovered.json");
  if (name == "llama2") return TokenizerOfFile(tokenizers / "llama2" / "tokenizer.fixed.json");
  if (name == "llama2model") return TokenizerOfFile(tokenizers / "llama2" / "tokenizer.model");
  if (name == "qwen2") return TokenizerOfFile(tokenizers / "qwen2");
  if (name == "llama3") return Llama3Tokenizer(tokenizers / "llama3.2");
  EXPECT_EQ(name, "stories260k");
  return StoriesTokenizer(tokenizers.parent_path() / "weights/llama/stories260K/tok512.bin");
}

json TextGolden(const std::string& name) {
  return json::parse(
      ReadText(std::filesystem::path(PROMPTCACHE_GOLDEN_DIR) / "text" / (name + ".json")));
}

std::vector<TokenId> EncodeOrFail(const Tokenizer& tokenizer, std::string_view text) {
  auto ids = tokenizer.Encode(text);
  EXPECT_TRUE(ids.ok()) << ids.status().ToString();
  return ids.ok() ? *std::move(ids) : std::vector<TokenId>();
}

std::string BytesOf(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string bytes;
  for (TokenId id : ids) {
    const auto one = tokenizer.TokenBytes(id);
    EXPECT_TRUE(one.ok()) << one.status().ToString();
    if (one.ok()) bytes += *one;
  }
  return bytes;
}

}  // namespace promptcache::testing
