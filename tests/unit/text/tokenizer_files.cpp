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

std::unique_ptr<Tokenizer> TokenizerOfGguf(const std::filesystem::path& model) {
  const auto file = GgufFile::Open(model);
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  if (!file.ok()) return nullptr;
  auto tokenizer = LoadTokenizer(**file);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::unique_ptr<Tokenizer> TokenizerOfJson(const std::filesystem::path& file,
                                           const std::string& pretokenizer) {
  const json source = json::parse(ReadText(file));
  BpeDefinition definition;
  definition.tokens = TokensById(source["model"]["vocab"]);
  definition.kinds.assign(definition.tokens.size(), TokenKind::kNormal);
  for (const json& added : source["added_tokens"]) {
    definition.kinds.at(added["id"].get<size_t>()) =
        added["special"].get<bool>() ? TokenKind::kSpecial : TokenKind::kUserDefined;
  }
  for (const json& merge : source["model"]["merges"]) {
    definition.merges.push_back(merge.is_string() ? merge.get<std::string>()
                                                  : merge[0].get<std::string>() + " " +
                                                        merge[1].get<std::string>());
  }
  definition.pretokenizer = pretokenizer;
  return Make(std::move(definition));
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
  definition.ignore_merges = pretokenizer == "llama-bpe";
  return Make(std::move(definition));
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
