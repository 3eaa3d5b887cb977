#include "common/text/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/text/load_tokenizer.h"
#include "tests/fakes/test_env.h"
#include "tests/unit/text/byte_tokenizer.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json Added(int id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

json Vocabulary(const std::vector<std::string>& tokens) {
  json vocabulary = json::object();
  for (size_t id = 0; id < tokens.size(); ++id) vocabulary[tokens[id]] = id;
  return vocabulary;
}

// 256 bytes, 256 "ab", and 257 "<|im_end|>", which only added_tokens has.
json ByteLevelFile() {
  return {{"version", "1.0"},
          {"added_tokens", {Added(257, "<|im_end|>")}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", Vocabulary(ByteDefinition({"ab"}).tokens)},
            {"merges", {"a b"}}}}};
}

// 0 "<unk>", 1 "<s>", 2 to 257 the bytes, then U+2581, a, b, "U+2581 a" and "ab".
json LlamaFile() {
  std::vector<std::string> tokens = {"<unk>", "<s>"};
  for (int byte = 0; byte < 256; ++byte) {
    char written[7];
    std::snprintf(written, sizeof(written), "<0x%02X>", static_cast<unsigned>(byte));
    tokens.emplace_back(written);
  }
  for (const char* token : {"\u2581", "a", "b", "\u2581a", "ab"}) tokens.emplace_back(token);
  const json prepend = {{"type", "Prepend"}, {"prepend", "\u2581"}};
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  return {{"added_tokens", {Added(0, "<unk>"), Added(1, "<s>")}},
          {"normalizer", {{"type", "Sequence"}, {"normalizers", {prepend, replace}}}},
          {"pre_tokenizer", nullptr},
          {"model",
           {{"vocab", Vocabulary(tokens)},
            {"merges", json::array({json::array({"\u2581", "a"}), json::array({"a", "b"})})},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true}}}};
}

std::unique_ptr<Tokenizer> Load(const json& file) {
  auto tokenizer = ParseTokenizerJson(file.dump(), "x.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

void ExpectFault(std::string_view text, Code code, const std::string& part) {
  const auto tokenizer = ParseTokenizerJson(text, "x.json");
  ASSERT_FALSE(tokenizer.ok()) << part;
  EXPECT_EQ(tokenizer.status().code(), code) << tokenizer.status().ToString();
  EXPECT_THAT(tokenizer.status().message(), HasSubstr(part));
  EXPECT_THAT(tokenizer.status().message(), ::testing::StartsWith("x.json: "));
  EXPECT_LT(tokenizer.status().message().size(), 600u);
}

// `value` at `pointer` of a good file is a fault.
void ExpectFaultAt(json file, const char* pointer, const json& value, Code code,
                   const std::string& part) {
  file[json::json_pointer(pointer)] = value;
  ExpectFault(file.dump(), code, part);
}

TEST(TokenizerJson, ReadsByteLevelBpe) {
  const auto tokenizer = Load(ByteLevelFile());
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_THAT(EncodeOrFail(*tokenizer, "ab1"), ElementsAre(256, '1'));
  EXPECT_EQ(tokenizer->vocabulary_size(), 258u);
  EXPECT_TRUE(tokenizer->IsSpecial(257));
  EXPECT_EQ(tokenizer->FindSpecialPrefix("<|im_end|>")->id, 257);
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(257));
}

TEST(TokenizerJson, ReadsBpeWithByteFallback) {
  const auto tokenizer = Load(LlamaFile());
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_THAT(EncodeOrFail(*tokenizer, "ab a\n"), ElementsAre(261, 260, 261, 2 + '\n'));
  EXPECT_EQ(tokenizer->unknown_id(), 0);
  EXPECT_THAT(EncodeOrFail(*tokenizer, ""), ElementsAre());
  EXPECT_THAT(EncodeOrFail(*tokenizer, "\u00e9"), ElementsAre(258, 2 + 0xC3, 2 + 0xA9));
  EXPECT_EQ(*tokenizer->TokenBytes(261), " a");
  EXPECT_EQ(*tokenizer->TokenBytes(2 + 0xC3), "\xC3");
  EXPECT_FALSE(tokenizer->Encode("\xC3").ok());
}

// Every part between special tokens is a text with a space of its own.
TEST(TokenizerJson, PutsASpaceBeforeEveryPartBetweenSpecialTokens) {
  const auto tokenizer = Load(LlamaFile());
  const auto ids = EncodePieces(*tokenizer, {{"a<s>a<s>", true}, {" a", false}});
  ASSERT_TRUE(ids.ok());
  EXPECT_THAT(*ids, ElementsAre(261, 1, 261, 1, 258, 261));
}

// The written form of a byte's token or of a special token is text.
TEST(TokenizerJson, NoTextGivesTheTokenOfAByteOrASpecialToken) {
  json file = LlamaFile();
  file["model"]["merges"].push_back("<0x0A> a");
  ExpectFault(file.dump(), Code::kInvalidArgument, "merge 2");
  file["model"]["merges"].back() = "< s>";
  for (const char* token : {"<", "s>"}) {
    file["model"]["vocab"][token] = file["model"]["vocab"].size();
  }
  ExpectFault(file.dump(), Code::kInvalidArgument, "merge 2");
}

TEST(TokenizerJson, AddedTokensOfWhiteSpaceAreFoundInTextLongestFirst) {
  json file = ByteLevelFile();
  for (const char* spaces : {"  ", "    "}) {
    json added = Added(static_cast<int>(256 + file["added_tokens"].size() + 1), spaces);
    added["special"] = false;
    file["added_tokens"].push_back(added);
  }
  const auto tokenizer = Load(file);
  EXPECT_THAT(EncodeOrFail(*tokenizer, "a       b"), ElementsAre('a', 259, 258, ' ', 'b'));
  EXPECT_FALSE(tokenizer->FindSpecialPrefix("  "));
  json other = ByteLevelFile();
  other["added_tokens"][0]["special"] = false;
  EXPECT_EQ(EncodeOrFail(*Load(other), "<|im_end|>").size(), 10u);
}

TEST(TokenizerJson, NamesWhatItDoesNotSupport) {
  const Code code = Code::kUnimplemented;
  const json file = ByteLevelFile();
  ExpectFaultAt(file, "/model/type", "Unigram", code, "'Unigram'");
  ExpectFaultAt(file, "/model/dropout", 0.1, code, "'dropout'");
  ExpectFaultAt(file, "/model/end_of_word_suffix", "</w>", code, "'end_of_word_suffix'");
  ExpectFaultAt(file, "/model/shuffle", true, code, "'shuffle'");
  ExpectFaultAt(file, "/extra", true, code, "'extra'");
  ExpectFaultAt(file, "/model/byte_fallback", true, code, "byte_fallback true");
  ExpectFaultAt(file, "/normalizer", {{"type", "Lowercase"}}, code, "[Lowercase]");
  ExpectFaultAt(file, "/pre_tokenizer/type", "Metaspace", code, "'Metaspace'");
  ExpectFaultAt(file, "/pre_tokenizer/add_prefix_space", true, code, "'add_prefix_space'");
  ExpectFaultAt(file, "/pre_tokenizer/use_regex", false, code, "[ByteLevel only]");
  ExpectFaultAt(file, "/pre_tokenizer/new", 1, code, "'new'");
  ExpectFaultAt(file, "/pre_tokenizer", nullptr, code, "pre-tokenizer ''");
  const json split = {
      {"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}};
  ExpectFaultAt(file, "/pre_tokenizer", split, code, "[(a+)+$]");
  for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
    ExpectFaultAt(file, (std::string("/added_tokens/0/") + flag).c_str(), true, code,
                  "'<|im_end|>': the option '" + std::string(flag));
  }
  ExpectFaultAt(LlamaFile(), "/model/byte_fallback", false, code, "byte_fallback false");
  ExpectFaultAt(LlamaFile(), "/model/ignore_merges", true, code, "ignore_merges");
  ExpectFaultAt(LlamaFile(), "/normalizer/normalizers/0/prepend", "_", code, "[Prepend, Replace]");
  json spaces = Added(1000, "  ");
  spaces["special"] = false;
  spaces["id"] = LlamaFile()["model"]["vocab"].size();
  ExpectFaultAt(LlamaFile(), "/added_tokens/2", spaces, code, "white space");
  spaces["normalized"] = true;
  ExpectFaultAt(LlamaFile(), "/added_tokens/2", spaces, code, "'normalized'");
}

TEST(TokenizerJson, RefusesContradictions) {
  const Code code = Code::kInvalidArgument;
  const json file = ByteLevelFile();
  ExpectFaultAt(file, "/model/vocab/a", 1000, code, "'a' has no id of its own below 258");
  ExpectFaultAt(file, "/model/vocab/a", 7, code, "no id of its own");
  ExpectFaultAt(file, "/model/vocab/a", -1, code, "no id of its own");
  ExpectFaultAt(file, "/model/vocab/a", 7.0, code, "no id of its own");
  ExpectFaultAt(file, "/model/vocab/a", "7", code, "no id of its own");
  ExpectFaultAt(file, "/added_tokens/0/id", 3, code, "no id of its own");
  ExpectFaultAt(file, "/added_tokens/0/content", "a", code, "another id");
  ExpectFaultAt(file, "/added_tokens/0/content", "", code, "without content");
  ExpectFaultAt(file, "/added_tokens/0/content", std::string(300, 'x'), code, "300 bytes");
  ExpectFaultAt(file, "/added_tokens/0", 5, code, "added_tokens: not an object");
  ExpectFaultAt(file, "/added_tokens/0/special", "yes", code, "special: not true or false");
  ExpectFaultAt(file, "/added_tokens", 5, code, "added_tokens");
  ExpectFaultAt(file, "/model/merges/0", "a q", code, "merge 0");
  ExpectFaultAt(file, "/model/merges/0", std::string(5'000, 'a') + " b", code, "aaa...')");
  ExpectFaultAt(file, "/model/merges/0", 5, code, "model.merges[0]");
  ExpectFaultAt(file, "/model/merges", nullptr, code, "model.merges");
  ExpectFaultAt(file, "/model/vocab", {1, 2}, code, "the vocabulary: not an object");
  ExpectFaultAt(file, "/model/unk_token", "none", code, "unk_token");
  ExpectFaultAt(file, "/model", 5, code, "model: not an object");
  ExpectFaultAt(file, "/normalizer", "NFC", code, "normalizer: not an object");
  ExpectFaultAt(file, "/pre_tokenizer", {{"type", 5}}, code, "pre_tokenizer.type");
  ExpectFaultAt(LlamaFile(), "/model/vocab",
                Vocabulary({"<unk>", "<s>", "\u2581", "a", "b", "\u2581a", "ab"}), code, "<0x00>");
}

TEST(TokenizerJson, RefusesWhatIsNoJson) {
  const Code code = Code::kInvalidArgument;
  ExpectFault("", code, "not JSON");
  ExpectFault("{\"model\"", code, "not JSON");
  ExpectFault("{\"model\": \"\xFF\"}", code, "not JSON");
  ExpectFault("5", code, "not an object");
  ExpectFault(std::string(1 << 20, '['), code, "nested too deeply");
  ExpectFault(std::string((size_t{64} << 20) + 1, ' '), Code::kResourceExhausted, "64 MiB");
}

TEST(LoadTokenizerFile, TellsModelFilesAndTokenizerFilesApart) {
  EXPECT_EQ(LoadTokenizerFile("/no/such/tokenizer.json").status().code(), Code::kNotFound);
  const auto data = TestDataDir();
  PC_SKIP_WITHOUT(data, "public tokenizers");
  const auto folder = *data / "data" / "tokenizers";
  EXPECT_TRUE(LoadTokenizerFile(folder / "smollm2" / "tokenizer.json").ok());
  const auto other = LoadTokenizerFile(folder / "qwen2" / "merges.txt");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(other.status().message(), HasSubstr("merges.txt is neither"));
}

// A public file with four damaged merges.
TEST(LoadTokenizerFile, NamesTheDamageOfARealFile) {
  const auto data = TestDataDir();
  PC_SKIP_WITHOUT(data, "public tokenizers");
  const auto damaged =
      LoadTokenizerFile(*data / "data" / "tokenizers" / "llama2" / "tokenizer.json");
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(damaged.status().message(), HasSubstr("tokenizer.json: m"));
}

}  // namespace
}  // namespace promptcache::testing
