#include "tools/bench/tenants_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "common/text/toy_tokenizer.h"
#include "tests/integration/tiny_model_directory.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tools/bench/tenants_workload.h"
#include "tools/fake_engine/fake_worker_model.h"

namespace promptcache {
namespace {

using ::testing::HasSubstr;

// Computed by scipy.stats.wilcoxon(differences, correction=False, method="asymptotic") of 1.17.
TEST(SignedRank, AgreesWithAnotherImplementation) {
  const std::vector<double> nine = {0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01};
  EXPECT_EQ(TestSignedRank(nine).positive_sum, 40);
  EXPECT_NEAR(TestSignedRank(nine).p, 0.038151710173415135, 1e-12);
  const std::vector<double> maize = {6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};
  EXPECT_EQ(TestSignedRank(maize).positive_sum, 96);
  EXPECT_NEAR(TestSignedRank(maize).p, 0.04088813291185591, 1e-12);
  std::vector<double> many;
  for (int i = 0; i < 200; ++i) many.push_back((i * 7919) % 401 - 150);
  EXPECT_EQ(TestSignedRank(many).positive_sum, 15016.5);
  EXPECT_NEAR(TestSignedRank(many).p, 1.3614204918951534e-09, 1e-18);
}

TEST(SignedRank, EqualOnesShareTheirRanksAndZerosAreLeftOut) {
  const SignedRank test =
      TestSignedRank(std::vector<double>{1, 1, -1, 2, -2, 3, 0, 0, 3, 3, -4, 5, 5, 1, 2, -1, 7});
  EXPECT_EQ(test.pairs, 15u);
  EXPECT_EQ(test.positive_sum, 95);
  EXPECT_NEAR(test.p, 0.045544342649356966, 1e-12);
}

TEST(SignedRank, DoesNotDependOnWhichHalfIsSubtracted) {
  const std::vector<double> one = {3, -1, 4, 1, -5, 9}, other = {-3, 1, -4, -1, 5, -9};
  EXPECT_DOUBLE_EQ(TestSignedRank(one).p, TestSignedRank(other).p);
}

TEST(SignedRank, WithoutDifferencesNothingIsUnlikely) {
  EXPECT_EQ(TestSignedRank({}).p, 1);
  EXPECT_EQ(TestSignedRank(std::vector<double>{0, 0}).p, 1);
}

std::multiset<std::string> WordsOf(const std::string& text) {
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), {}};
}

TEST(TenantsWorkload, TextsHaveTheTokensThatWereAskedFor) {
  const auto tokenizer = MakeToyTokenizer();
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto text = MakeUnheardText(*tokenizer, 40, seed);
    ASSERT_TRUE(text.ok()) << text.status().ToString();
    EXPECT_EQ(tokenizer->Encode(*text)->size(), 40u) << *text;
    EXPECT_EQ(*text, *MakeUnheardText(*tokenizer, 40, seed));
    EXPECT_NE(WordsOf(*text), WordsOf(*MakeUnheardText(*tokenizer, 40, seed + 1)));
  }
}

class TenantsBench : public ::testing::Test {
 protected:
  TenantsBench() {
    std::filesystem::create_directory(directory_.path() / "model");
    std::filesystem::create_directory(directory_.path() / "run");
    testing::WriteTinyModel("llama3", directory_.path() / "model");
    served_ = *LoadServedModel(options_.model, "auto");
  }

  const testing::TempDir directory_;
  ServedModel served_;
  const TenantsBenchOptions options_ = {.model = directory_.Sub("model"),
                                        .cluster = {.directory = directory_.Sub("run"),
                                                    .make_model =
                                                        [this](const WorkerSettings& settings) {
                                                          return MakeFakeWorkerModel(served_,
                                                                                     settings, {});
                                                        }},
                                        .pairs = 3,
                                        .tokens = 16};
};

TEST_F(TenantsBench, EveryFirstImportIsAnEncodeUnlessSchemasAreShared) {
  const auto report = MeasureTenants(options_, nullptr);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  for (const TenantsTimes* times : {&report->apart, &report->shared}) {
    EXPECT_EQ(times->known.samples.size(), 3u);
    EXPECT_EQ(times->fresh.samples.size(), 3u);
    EXPECT_GT(times->known.minimum(), 0);
    EXPECT_GT(times->fresh.minimum(), 0);
    EXPECT_EQ(times->fresh_hits, 0u);
  }
  EXPECT_EQ(report->apart.known_hits, 0u);
  EXPECT_EQ(report->shared.known_hits, 3u * 2);  // a root and a module each
  const nlohmann::json json = TenantsBenchToJson(*report);
  EXPECT_EQ(json["pairs"], 3);
  EXPECT_EQ(json["sharing_off"]["known_hits"], 0);
  EXPECT_GT(json["sharing_on"]["p"], 0.0);
}

// 200 pairs with differences of both signs, plus `shift`.
TenantsTimes Times(double shift) {
  TenantsTimes times;
  for (int i = 0; i < 200; ++i) {
    times.fresh.samples.push_back(20);
    times.known.samples.push_back(20 + shift + 0.01 * (i % 20 - 9.5));
  }
  return times;
}

TEST(TenantsReport, HoldsWhenOnlySharedSchemasDiffer) {
  const TenantsBenchReport report{.apart = Times(0), .shared = Times(-10)};
  EXPECT_EQ(report.Fault(), "");
  EXPECT_THAT(RenderTenantsBench(report), HasSubstr("times tell no tenant"));
}

TEST(TenantsReport, AShiftOfTheTimesIsALeak) {
  const TenantsBenchReport report{.apart = Times(-0.05), .shared = Times(-10)};
  EXPECT_THAT(report.Fault(), HasSubstr("another time when another one had the text"));
  EXPECT_THAT(RenderTenantsBench(report), HasSubstr("FAILED"));
}

TEST(TenantsReport, AHitIsALeakWhateverItTook) {
  TenantsBenchReport report{.apart = Times(0), .shared = Times(-10)};
  report.apart.known_hits = 1;
  EXPECT_THAT(report.Fault(), HasSubstr("1 units of a tenant's first imports were not encoded"));
}

TEST(TenantsReport, AControlThatShowsNothingIsAFault) {
  const TenantsBenchReport report{.apart = Times(0), .shared = Times(0)};
  EXPECT_THAT(report.Fault(), HasSubstr("no difference that could be seen"));
}

}  // namespace
}  // namespace promptcache
