#include "common/text/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "common/hash.h"
#include "tests/unit/text/tokenizer_files.h"

namespace promptcache::testing {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Utf8(char32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

// The code points of [first, last] that the golden digests cover.
std::vector<char32_t> Covered(char32_t first, char32_t last, const json& assigned_later) {
  std::vector<char32_t> covered;
  for (char32_t c = first; c <= last; ++c) {
    if (c < 0xD800 || c > 0xDFFF) covered.push_back(c);
  }
  std::erase_if(covered, [&](char32_t c) {
    return std::any_of(assigned_later.begin(), assigned_later.end(), [&](const json& run) {
      return c >= run[0].get<char32_t>() && c <= run[1].get<char32_t>();
    });
  });
  return covered;
}

std::vector<std::string_view> Words(const Pretokenizer& pretokenizer, std::string_view text) {
  auto words = pretokenizer.Split(text);
  EXPECT_TRUE(words.ok()) << words.status().ToString();
  return words.ok() ? *std::move(words) : std::vector<std::string_view>();
}

// BLAKE2b of the byte lengths of the words of texts whose words depend on what each code point is.
std::string DigestOfWords(const Pretokenizer& pretokenizer, const std::vector<char32_t>& codes) {
  Blake2b hasher;
  for (char32_t code : codes) {
    const std::string c = Utf8(code);
    const std::string text = "x" + c + c + "1" + c + " " + c + "." + c + "\t" + c + "'s" + c;
    for (std::string_view word : Words(pretokenizer, text))
      hasher.AddU32(static_cast<uint32_t>(word.size()));
  }
  return hasher.Finish().ToHex();
}

std::unique_ptr<const Pretokenizer> Create(std::string_view name) {
  auto made = Pretokenizer::Create(name);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return *std::move(made);
}

class PretokenizerOfModel : public ::testing::TestWithParam<const char*> {};

TEST_P(PretokenizerOfModel, ClassifiesEveryCodePointAsTransformers) {
  const auto pretokenizer = Create(GetParam());
  const json golden = TextGolden("words");
  const auto block = golden["block"].get<char32_t>();
  for (const json& range : golden["ranges"]) {
    const auto end = range[1].get<char32_t>();
    for (auto first = range[0].get<char32_t>(); first < end; first += block) {
      const auto codes =
          Covered(first, std::min<char32_t>(first + block, end) - 1, golden["assigned_later"]);
      char name[16];
      std::snprintf(name, sizeof(name), "%06X", static_cast<unsigned>(first));
      EXPECT_EQ(DigestOfWords(*pretokenizer, codes),
                golden["digests"][GetParam()][name].get<std::string>())
          << "in the block from U+" << name;
    }
  }
}

TEST_P(PretokenizerOfModel, WordsTogetherAreTheText) {
  const auto pretokenizer = Create(GetParam());
  const json golden = TextGolden("smollm2");
  for (const json& one : golden["texts"]) {
    const std::string text = one["text"];
    std::string joined;
    for (std::string_view word : Words(*pretokenizer, text)) {
      EXPECT_FALSE(word.empty());
      joined += word;
    }
    EXPECT_EQ(joined, text);
  }
}

TEST_P(PretokenizerOfModel, RejectsTextThatIsNotUtf8) {
  const auto pretokenizer = Create(GetParam());
  for (const char* text :
       {"\x80", "ok \xC3", "\xED\xA0\x80", "\xF4\x90\x80\x80", "a\xFF", "1\xC0\xAF"}) {
    const auto words = pretokenizer->Split(text);
    ASSERT_FALSE(words.ok());
    EXPECT_EQ(words.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(words.status().message(), HasSubstr("UTF-8"));
  }
}

// Runs that would make a backtracking matcher quadratic or deep.
TEST_P(PretokenizerOfModel, SplitsVeryLongRuns) {
  const auto pretokenizer = Create(GetParam());
  constexpr size_t kLength = 1 << 20;
  for (const char fill : {' ', '\n', 'a', '7', '-', '\r'}) {
    const std::string text = std::string(kLength, fill) + "x";
    size_t total = 0;
    for (std::string_view word : Words(*pretokenizer, text)) total += word.size();
    EXPECT_EQ(total, text.size());
  }
}

INSTANTIATE_TEST_SUITE_P(All, PretokenizerOfModel,
                         ::testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2", "falcon"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Pretokenizer, NamesAnUnknownOneAndTheKnown) {
  const auto made = Pretokenizer::Create("deepseek-llm");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), Code::kUnimplemented);
  EXPECT_THAT(made.status().message(), HasSubstr("'deepseek-llm'"));
  for (const char* known : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
    EXPECT_THAT(made.status().message(), HasSubstr(known));
  }
}

TEST(Pretokenizer, CutsAsEachModelWasTrained) {
  const std::string text = "It's 1234 x\n\n  y";
  EXPECT_THAT(Words(*Create("gpt-2"), text), ElementsAre("It", "'s", " 1234", " x", "\n\n ", " y"));
  EXPECT_THAT(Words(*Create("smollm"), text),
              ElementsAre("It", "'s", " ", "1", "2", "3", "4", " x", "\n\n ", " y"));
  EXPECT_THAT(Words(*Create("llama-bpe"), text),
              ElementsAre("It", "'s", " ", "123", "4", " x", "\n\n", " ", " y"));
  EXPECT_THAT(Words(*Create("qwen2"), text),
              ElementsAre("It", "'s", " ", "1", "2", "3", "4", " x", "\n\n", " ", " y"));
}

}  // namespace
}  // namespace promptcache::testing
