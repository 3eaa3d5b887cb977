// `promptcache bench fidelity` on the small model: it measures what it says.
#include "tools/bench/fidelity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/model/tiny_llama.h"
#include "tools/bench/fidelity_text.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class Fidelity : public ::testing::Test {
 protected:
  Fidelity() {
    Write(
        "{\"context\": \"A first report, of <things> that happened & of others. NEWLINE_CHAR "
        "NEWLINE_CHAR Nobody was hurt; caf\\u00e9s stayed open.\"}\n"
        "{\"context\": \"A second one says that the first one had been wrong in parts, "
        "and that all of it will have to be looked at once more before long.\"}\n");
    options_ = {.model = TinyLlamaPath(),
                .data = path_,
                .threads = 2,
                .modules = {2},
                .tokens = {30},
                .linked = {0, 4, 200},
                .new_tokens = 8,
                .continuation = 12};
  }
  void Write(const std::string& lines) { std::ofstream(path_) << lines; }
  Result<FidelityReport> Measure() const {
    return MeasureFidelity(options_, [](uint32_t, uint32_t) {});
  }

  const TempDir directory_;
  const std::string path_ = directory_.Sub("news.jsonl");
  FidelityOptions options_;
};

TEST_F(Fidelity, LinkedOfEverythingIsFullPrefillAndNoneIsNot) {
  const auto report = Measure();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_THAT(report->cells, SizeIs(7));  // full, and two encodings with three repairs each
  for (const FidelityCell& cell : report->cells) {
    ASSERT_THAT(cell.kl.samples, SizeIs(2));
    if (cell.repair == Repair::kNone) {
      EXPECT_GT(cell.kl.minimum(), 1e-4);
      EXPECT_LT(cell.agreement.mean(), 1);
      EXPECT_EQ(cell.share.maximum(), 0);
    } else if (cell.repair == Repair::kFull || cell.linked_tokens == 200) {
      EXPECT_LT(cell.kl.maximum(), 1e-6);
      EXPECT_EQ(cell.agreement.mean(), 1);
      EXPECT_LT(std::abs(cell.delta_nll.mean()), 1e-4);
      EXPECT_GT(cell.share.minimum(), 0.3);
    } else {
      EXPECT_GT(cell.share.minimum(), 0);
      EXPECT_LT(cell.share.maximum(), 0.2);
    }
  }
}

TEST_F(Fidelity, Int8IsMeasuredBesideWhatLosesNothing) {
  options_.linked = {0, 200};
  options_.compression = "int8";
  const auto report = Measure();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_THAT(report->cells, SizeIs(9));  // full, and two encodings, repairs and layouts
  EXPECT_EQ(FidelityToJson(*report)["cells"][2]["kv_layout"], "lkhtd-int8-v1");
  for (size_t i = 1; i < report->cells.size(); i += 2) {
    const FidelityCell &lossless = report->cells[i], &int8 = report->cells[i + 1];
    EXPECT_EQ(int8.linked_tokens, lossless.linked_tokens);
    EXPECT_EQ(lossless.kl_layout.maximum(), 0);
    if (int8.linked_tokens == 0) {
      EXPECT_GT(int8.kl_layout.minimum(), 0);
      EXPECT_LT(int8.kl_layout.maximum(), 1e-2);
      EXPECT_LT(int8.kl_layout.maximum(), lossless.kl.minimum());  // less than reuse itself
    }
  }
}

TEST_F(Fidelity, TheSameSeedMeasuresTheSameTexts) {
  const auto once = Measure(), again = Measure();
  ASSERT_TRUE(once.ok() && again.ok());
  EXPECT_EQ(once->cells[1].kl.samples, again->cells[1].kl.samples);
  options_.seed = 2;
  EXPECT_NE(Measure()->cells[1].kl.samples, once->cells[1].kl.samples);
}

TEST_F(Fidelity, SizesBeyondTheContextAreLeftOutAndNamed) {
  options_.tokens = {30, 4096};
  const auto report = Measure();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_THAT(report->cells, SizeIs(7));
  ASSERT_THAT(report->skipped, SizeIs(1));
  EXPECT_THAT(RenderFidelity(*report), HasSubstr("left out: 2 modules of 4096 tokens"));
  EXPECT_EQ(FidelityToJson(*report)["cells"].size(), 7U);
}

TEST_F(Fidelity, OnlySizesBeyondTheContextAreAnError) {
  options_.tokens = {4096};
  const auto report = Measure();
  EXPECT_EQ(report.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(report.status().message(), HasSubstr("4096 tokens need a context of"));
}

TEST_F(Fidelity, DataThatCannotBeUsedAreNamed) {
  options_.tokens = {300};
  EXPECT_THAT(Measure().status().message(), HasSubstr("tokens of text are needed"));
  Write("{\"context\": \"fine\"}\n[]\n");
  EXPECT_THAT(Measure().status().message(), HasSubstr("news.jsonl:2:"));
  for (const std::string& path : {directory_.Sub("missing"), directory_.path().string()}) {
    options_.data = path;
    EXPECT_EQ(Measure().status().code(), Code::kNotFound);
    EXPECT_THAT(Measure().status().message(), HasSubstr(path));
  }
}

TEST_F(Fidelity, TextsAreCutWithoutTearingCharacters) {
  const auto news = ReadNews(path_);
  ASSERT_TRUE(news.ok());
  EXPECT_THAT(*news, HasSubstr("others.\n"));
  std::string accents;
  while (accents.size() < 400) accents += "é";  // a token each byte
  const auto stream = TokenStream::Of(*LoadTinyTokenizer(), accents);
  ASSERT_TRUE(stream.ok());
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto text = stream->Cut({.modules = 3, .tokens = 31, .continuation = 5}, seed);
    ASSERT_TRUE(text.ok()) << text.status().ToString();
    for (const std::string& module : text->modules) EXPECT_EQ(module.size() % 2, 0U);
    EXPECT_EQ(text->new_text.size() % 2, 0U);
    EXPECT_THAT(text->continuation, SizeIs(5));
  }
}

}  // namespace
}  // namespace promptcache::testing
