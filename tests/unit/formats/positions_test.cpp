#include "common/formats/positions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace promptcache {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<double> FrequenciesOf(const RopeDesign& design) {
  return MakeRope(design).value().frequencies;
}

TEST(Rope, FrequenciesFallGeometrically) {
  EXPECT_THAT(
      FrequenciesOf({.dim = 8, .theta = 10000}),
      ElementsAre(1, DoubleNear(0.1, 1e-15), DoubleNear(0.01, 1e-15), DoubleNear(0.001, 1e-15)));
}

TEST(Rope, LinearScalingDividesEveryFrequency) {
  const RopeDesign design{.dim = 4, .theta = 100, .scaling = RopeScaling::kLinear, .factor = 4};
  EXPECT_THAT(FrequenciesOf(design), ElementsAre(0.25, DoubleNear(0.025, 1e-15)));
}

TEST(Rope, NtkScalingIsAnotherTheta) {
  const RopeDesign scaled{.dim = 8, .theta = 100, .scaling = RopeScaling::kNtk, .factor = 3};
  const RopeDesign other{.dim = 8, .theta = 100 * std::pow(3.0, 8.0 / 6)};
  EXPECT_EQ(FrequenciesOf(scaled), FrequenciesOf(other));
}

// Llama 3.1's three bands by turns within the original context.
TEST(Rope, Llama3ScalingKeepsFastDividesSlowAndBlendsBetween) {
  RopeDesign design{.dim = 8, .theta = 10000, .scaling = RopeScaling::kLlama3, .factor = 8};
  design.original_context = 2 * std::numbers::pi * 25;  // 25, 2.5, 0.25 and 0.025 turns
  const std::vector<double> scaled = FrequenciesOf(design);
  EXPECT_EQ(scaled[0], 1);
  const double kept = (2.5 - 1) / (4 - 1);
  EXPECT_NEAR(scaled[1], 0.1 * (kept + (1 - kept) / 8), 1e-12);
  EXPECT_NEAR(scaled[2], 0.01 / 8, 1e-12);
  EXPECT_NEAR(scaled[3], 0.001 / 8, 1e-12);
}

TEST(Rope, YarnKeepsTheFastestDividesTheSlowestAndRaisesTheMagnitude) {
  RopeDesign design{.dim = 16, .theta = 10000, .scaling = RopeScaling::kYarn, .factor = 4};
  design.original_context = 256;
  const PositionSettings settings = MakeRope(design).value();
  const std::vector<double> plain = FrequenciesOf({.dim = 16, .theta = 10000});
  EXPECT_EQ(settings.frequencies.front(), plain.front());
  EXPECT_NEAR(settings.frequencies.back(), plain.back() / 4, 1e-15);
  EXPECT_NEAR(settings.magnitude, 0.1 * std::log(4.0) + 1, 1e-15);
  design.attention_factor = 1.5;
  EXPECT_EQ(MakeRope(design).value().magnitude, 1.5);
}

TEST(Rope, DynamicScalingEndsItsRegimeWhereAnglesWouldChange) {
  RopeDesign design{.dim = 8, .theta = 100, .scaling = RopeScaling::kDynamic, .factor = 2};
  design.original_context = 512;
  const PositionSettings settings = MakeRope(design).value();
  EXPECT_EQ(settings.frequencies, FrequenciesOf({.dim = 8, .theta = 100}));
  EXPECT_EQ(settings.regime_end, 512);
  EXPECT_THAT(settings.text, HasSubstr("dynamic:below-512"));
}

TEST(Rope, EverySettingThatChangesAnglesChangesTheText) {
  const RopeDesign base{.dim = 8, .theta = 100, .factor = 2, .original_context = 64};
  std::vector<std::string> texts;
  for (const RopeScaling scaling :
       {RopeScaling::kNone, RopeScaling::kLinear, RopeScaling::kNtk, RopeScaling::kDynamic,
        RopeScaling::kYarn, RopeScaling::kLlama3, RopeScaling::kFactors}) {
    RopeDesign design = base;
    design.scaling = scaling;
    design.factors = {1, 2, 3, 4};
    texts.push_back(MakeRope(design).value().text);
    design.factors = {1, 2, 3, 5};
    design.factor = 3;
    design.original_context = 65;
    if (scaling != RopeScaling::kNone) texts.push_back(MakeRope(design).value().text);
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t j = i + 1; j < texts.size(); ++j) EXPECT_NE(texts[i], texts[j]);
  }
}

TEST(Rope, NumbersThatMakeNoSenseAreNamed) {
  const auto fault = [](const RopeDesign& design) { return MakeRope(design).status().message(); };
  EXPECT_THAT(fault({.dim = 7}), HasSubstr("7 rotated dimensions"));
  EXPECT_THAT(fault({.dim = 8, .theta = 0}), HasSubstr("theta of 0"));
  EXPECT_THAT(fault({.dim = 8, .scaling = RopeScaling::kLinear, .factor = NAN}),
              HasSubstr("factor of nan"));
  EXPECT_THAT(fault({.dim = 8, .scaling = RopeScaling::kYarn}), HasSubstr("original context"));
  EXPECT_THAT(fault({.dim = 8, .scaling = RopeScaling::kFactors, .factors = {1, 2}}),
              HasSubstr("2 rope factors for 4 frequencies"));
  for (const double tokens : {0.5, 1e300}) {  // no token, no number of tokens
    RopeDesign design{.dim = 8, .scaling = RopeScaling::kDynamic};
    design.original_context = tokens;
    EXPECT_THAT(fault(design), HasSubstr("original context"));
  }
  EXPECT_THAT(fault({.dim = 8, .scaling = RopeScaling::kLinear, .factor = 5e-324}),
              HasSubstr("make a frequency of inf"));
}

TEST(Alibi, SlopesOfAPowerOfTwoHalve) {
  EXPECT_THAT(MakeAlibi(8, 8, 1).value().slopes,
              ElementsAre(0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625));
}

TEST(Alibi, OtherHeadsTakeThoseOfTheLowerPowerThenEveryOtherOfTheHigher) {
  EXPECT_THAT(MakeAlibi(6, 8, 1).value().slopes,
              ElementsAre(0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125));
}

TEST(Alibi, ScaleMultipliesSlopesAndIsPartOfTheText) {
  const PositionSettings scaled = MakeAlibi(2, 8, 0.25).value();
  EXPECT_THAT(scaled.slopes, ElementsAre(0.25 / 16, 0.25 / 256));
  EXPECT_NE(scaled.text, MakeAlibi(2, 8, 1).value().text);
  EXPECT_FALSE(MakeAlibi(2, 0, 1).ok());
}

}  // namespace
}  // namespace promptcache
