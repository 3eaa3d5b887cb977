// Small tokenizer files with bytes changed at random: whatever they say, reading ends, and what was
// read tokenizes.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "common/text/llama_tokenizer.h"
#include "common/text/sentencepiece_model.h"
#include "common/text/tokenizer_directory.h"
#include "common/text/tokenizer_json.h"
#include "tests/unit/text/byte_tokenizer.h"
#include "tests/unit/text/sentencepiece_builder.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;

constexpr int kCases = 10'000;

// Cuts, doubles or overwrites a few bytes, most of them where `head` bytes begin the file.
std::string Mutated(const std::string& file, size_t head, std::mt19937& random) {
  std::string mutated = file;
  for (uint32_t changes = 1 + random() % 4; changes > 0 && !mutated.empty(); --changes) {
    const size_t range = random() % 4 == 0 ? mutated.size() : std::min(head, mutated.size());
    const size_t at = random() % range;
    switch (random() % 4) {
      case 0:
        mutated.erase(at, 1 + random() % 8);
        break;
      case 1:
        mutated.insert(at, mutated.substr(at, 1 + random() % 8));
        break;
      default:
        mutated[at] = static_cast<char>(random());
    }
  }
  return mutated;
}

using Reader = std::function<Result<BpeDefinition>(const std::string&)>;

// How many of the mutants are still tokenizers.
int CountReadable(const std::string& file, size_t head, const Reader& read) {
  std::mt19937 random(29);
  int readable = 0;
  for (int i = 0; i < kCases; ++i) {
    auto definition = read(Mutated(file, head, random));
    if (!definition.ok()) continue;
    const auto tokenizer = MakeTokenizer(*std::move(definition));
    if (!tokenizer.ok()) continue;
    ++readable;
    EXPECT_TRUE((*tokenizer)->Encode("ab <s> \u00e9\n 1").ok());
  }
  return readable;
}

TEST(TokenizerMutations, SentencePieceModels) {
  const std::string head = ModelOf({});  // what surrounds the pieces
  const std::string file =
      head + PiecesOf(LlamaPieces({{"\u2581", -1}, {"a", -2}, {"\u2581a", -3}}));
  const int readable = CountReadable(file, head.size() + 60, [](const std::string& bytes) {
    return ReadSentencePieceModel(bytes);
  });
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, kCases);
}

TEST(TokenizerMutations, TokenizerJson) {
  json vocabulary = json::object();
  const BpeDefinition bytes = ByteDefinition({"ab"});
  for (size_t id = 0; id < bytes.tokens.size(); ++id) vocabulary[bytes.tokens[id]] = id;
  const json file = {{"added_tokens", {{{"id", 257}, {"content", "<s>"}, {"special", true}}}},
                     {"normalizer", {{"type", "NFC"}}},
                     {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                     {"model", {{"type", "BPE"}, {"merges", {"a b"}}, {"vocab", vocabulary}}}};
  const std::string text = file.dump();
  const int readable = CountReadable(text, text.find("vocab") + 40, ReadTokenizerJson);
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, kCases);
}

TEST(TokenizerMutations, VocabularyAndMerges) {
  json vocabulary = json::object();
  const BpeDefinition bytes = ByteDefinition({"ab", "abc"});
  for (size_t id = 0; id < bytes.tokens.size(); ++id) vocabulary[bytes.tokens[id]] = id;
  const std::string ids = vocabulary.dump();
  const int readable = CountReadable("a b\nab c\n" + ids, 40, [](const std::string& file) {
    const size_t end = std::min(file.find('{'), file.size());
    auto definition = ReadVocabulary(file.substr(end), file.substr(0, end));
    if (definition.ok()) definition->pretokenizer = "gpt-2";
    return definition;
  });
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, kCases);
}

}  // namespace
}  // namespace promptcache::testing
