#include "tools/bench/tokenizer_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/text/byte_tokenizer.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempDir;

TEST(TokenizerBench, MeasuresTextsAndEveryHardTextInDoublingSizes) {
  const auto tokenizer = testing::MakeOrFail(testing::ByteDefinition());
  const std::vector<std::string> texts = {"one two", "three"};
  std::vector<std::string> steps;
  const auto times = MeasureTokenizer(*tokenizer, texts, {.iterations = 2, .largest_kib = 256},
                                      [&](const std::string& step) { steps.push_back(step); });
  ASSERT_TRUE(times.ok()) << times.status().ToString();
  EXPECT_EQ(times->ids, tokenizer->Encode(texts[0])->size() + tokenizer->Encode(texts[1])->size());
  EXPECT_EQ(times->mb_per_s.samples.size(), 2u);
  EXPECT_THAT(steps,
              ElementsAre("texts", "no_space", "deep_merges", "one_character", "spaces", "marks"));
  for (const HardTextSeries& series : times->hard) {
    ASSERT_EQ(series.sizes.size(), 2u);
    EXPECT_GE(series.sizes[1].bytes, 2 * (series.sizes[0].bytes - 20));
    EXPECT_EQ(series.RatioAt(0), 0);
    EXPECT_EQ(series.worst_ratio(), series.RatioAt(1));
  }
  const auto json = TokenizersToJson({.texts = 2, .bytes = 12, .tokenizers = {*times}});
  EXPECT_EQ(json["tokenizers"][0]["ids_digest"], times->ids_digest);
  EXPECT_EQ(json["tokenizers"][0]["hard"].size(), 5u);
}

TEST(TokenizerBench, ShowsNoRatioOfASingleSize) {
  HardTextSeries series{.name = "spaces", .sizes = {{1 << 17, {{2.0}}}}};
  const auto last_word = [&] {
    const std::string text = RenderTokenizers(
        {.tokenizers = {
             {.name = "t", .first_mb_per_s = {{1}}, .mb_per_s = {{1}}, .hard = {series}}}});
    return text.substr(text.find_last_of(' ') + 1);
  };
  EXPECT_EQ(last_word(), "-\n");
  series.sizes.push_back({1 << 18, {{4.0}}});
  EXPECT_EQ(last_word(), "2.00\n");
}

TEST(TokenizerBench, ReadsTheContextsOfAFolder) {
  const TempDir folder;
  EXPECT_EQ(ReadContexts(folder.path()).status().code(), Code::kNotFound);
  std::ofstream(folder.Sub("b.jsonl")) << R"({"context": "second"})"
                                       << "\n";
  std::ofstream(folder.Sub("a.jsonl")) << R"({"context": "first", "length": 1})"
                                       << "\n";
  std::ofstream(folder.Sub("c.json")) << "[]";
  EXPECT_THAT(*ReadContexts(folder.path()), ElementsAre("first", "second"));
  std::ofstream(folder.Sub("d.jsonl")) << R"({"context": "x"})"
                                       << "\n{}\n";
  EXPECT_THAT(ReadContexts(folder.path()).status().message(), HasSubstr("d.jsonl:2"));
}

}  // namespace
}  // namespace promptcache
