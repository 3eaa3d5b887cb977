#include "tests/unit/text/tokenizer_files.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "common/text/bpe_tokenizer.h"
#include "common/text/load_tokenizer.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

std::unique_ptr<Tokenizer> Make(BpeDefinition definition) {
  auto tokenizer = MakeBpeTokenizer(std::move(definition));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<std::string> TokensById(const json& vocabulary) {
  std::vector<std::string> tokens(vocabulary.size());
  for (const auto& [token, id] : vocabulary.items()) tokens.at(id.get<size_t>()) = token;
  return tokens;
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

std::unique_ptr<Tokenizer> TokenizerOfVocabulary(const std::filesystem::path& folder,
                                                 const std::string& pretokenizer,
                                                 const std::vector<std::string>& specials) {
  BpeDefinition definition;
  definition.tokens = TokensById(json::parse(ReadText(folder / "vocab.json")));
  definition.kinds.assign(definition.tokens.size(), TokenKind::kNormal);
  for (const std::string& special : specials) {
    definition.tokens.push_back(special);
    definition.kinds.push_back(TokenKind::kSpecial);
  }
  std::istringstream merges(ReadText(folder / "merges.txt"));
  for (std::string line; std::getline(merges, line);) {
    if (!line.empty() && !line.starts_with("#version")) definition.merges.push_back(line);
  }
  definition.pretokenizer = pretokenizer;
  definition.nfc = pretokenizer == "qwen2";
  definition.ignore_merges = pretokenizer == "llama-bpe";
  return Make(std::move(definition));
}

std::unique_ptr<Tokenizer> PublicTokenizer(const std::string& name,
                                           const std::filesystem::path& tokenizers) {
  if (name == "smollm2") return TokenizerOfFile(tokenizers / "smollm2" / "tokenizer.json");
  if (name == "falcon") return TokenizerOfFile(tokenizers / "falcon-7b" / "tokenizer.json");
  if (name == "mpt") return TokenizerOfFile(tokenizers / "mpt-7b" / "tokenizer.recovered.json");
  if (name == "llama2") return TokenizerOfFile(tokenizers / "llama2" / "tokenizer.fixed.json");
  if (name == "llama2model") return TokenizerOfFile(tokenizers / "llama2" / "tokenizer.model");
  if (name == "qwen2") {
    return TokenizerOfVocabulary(tokenizers / "qwen2", "qwen2",
                                 {"<|endoftext|>", "<|im_start|>", "<|im_end|>"});
  }
  EXPECT_EQ(name, "llama3");
  return TokenizerOfVocabulary(
      tokenizers / "llama3.2", "llama-bpe",
      {"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
       "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>",
       "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"});
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
