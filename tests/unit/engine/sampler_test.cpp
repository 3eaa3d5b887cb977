// Sampling against values worked out by hand.
#include "worker/engine/sampler.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>

#include "common/rng.h"

namespace promptcache {
namespace {

TokenId Draw(const GenerationOptions& options, std::vector<float> logits, uint32_t step = 0,
             std::vector<TokenId> history = {}) {
  return Sampler(options, history, 0).Next(logits, step);
}

// How often each id is drawn over so many steps.
std::map<TokenId, int> Count(const GenerationOptions& options, const std::vector<float>& logits,
                             uint32_t steps, const std::vector<TokenId>& history = {}) {
  std::map<TokenId, int> counts;
  for (uint32_t step = 0; step < steps; ++step) ++counts[Draw(options, logits, step, history)];
  return counts;
}

TEST(Sampler, S102_GreedyTakesTheLargestAndTheSmallerIdOfEquals) {
  EXPECT_EQ(Draw({}, {1, 5, 3}), 1);
  EXPECT_EQ(Draw({}, {1, 5, 5, 5}), 1);
  EXPECT_EQ(Draw({}, {-3, -2, -2}), 1);
  EXPECT_EQ(Draw({.temperature = 9e-6}, {1, 5, 3}), 1);
  EXPECT_EQ(Draw({.temperature = 1, .top_p = 9e-9}, {1, 5, 3}), 1);
}

TEST(Sampler, S102_DrawsFromTemperature1e5On) {
  const std::vector<float> even = {1, 1, 1};
  EXPECT_EQ(Count({.temperature = 9e-6}, even, 50).size(), 1u);
  EXPECT_EQ(Count({.temperature = 1e-5}, even, 50).size(), 3u);
}

// softmax(ln 1, ln 2, ln 5) = 1/8, 2/8, 5/8; the likeliest stands first: [2: 0..5/8),
// [1: 5/8..7/8), [0: 7/8..1).
TEST(Sampler, DrawsTheTokenInWhoseShareTheNumberFalls) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  const GenerationOptions options{.temperature = 1, .seed = 42};
  for (uint32_t step = 0; step < 200; ++step) {
    const double u = UniformAt(42, 0, step);
    const TokenId expected = u < 5.0 / 8 ? 2 : u < 7.0 / 8 ? 1 : 0;
    EXPECT_EQ(Draw(options, logits, step), expected) << u;
  }
}

// At temperature 1/2 the shares are squared: 1, 4, 25 of 30.
TEST(Sampler, TemperatureSharpensTheShares) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  const GenerationOptions options{.temperature = 0.5, .seed = 7};
  for (uint32_t step = 0; step < 200; ++step) {
    const double u = UniformAt(7, 0, step);
    const TokenId expected = u < 25.0 / 30 ? 2 : u < 29.0 / 30 ? 1 : 0;
    EXPECT_EQ(Draw(options, logits, step), expected) << u;
  }
}

// Shares 5/8, 2/8, 1/8. The fewest that reach the mass stay, and share anew.
TEST(Sampler, TopPKeepsTheFewestThatReachTheMass) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  GenerationOptions options{.temperature = 1, .top_p = 0.6, .seed = 3};
  EXPECT_EQ(Count(options, logits, 300).size(), 1u);
  options.top_p = 0.7;
  for (uint32_t step = 0; step < 200; ++step) {
    EXPECT_EQ(Draw(options, logits, step), UniformAt(3, 0, step) < 5.0 / 7 ? 2 : 1);
  }
  options.top_p = 0.9;
  EXPECT_EQ(Count(options, logits, 300).size(), 3u);
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  GenerationOptions options{.temperature = 1, .top_k = 1, .seed = 4};
  EXPECT_EQ(Count(options, logits, 100), (std::map<TokenId, int>{{2, 100}}));
  options.top_k = 2;
  for (uint32_t step = 0; step < 200; ++step) {
    EXPECT_EQ(Draw(options, logits, step), UniformAt(4, 0, step) < 5.0 / 7 ? 2 : 1);
  }
  options.top_k = 1000;
  EXPECT_EQ(Count(options, logits, 300).size(), 3u);
}

// Shares 5/10, 3/10, 2/10. Top-p first: 0.6 needs two of them, and two stay. Top-k first would
// leave 5/8 and 3/8, of which one reaches 0.6.
TEST(Sampler, TopPComesBeforeTopK) {
  const std::vector<float> logits = {std::log(2.0f), std::log(3.0f), std::log(5.0f)};
  EXPECT_EQ(Count({.temperature = 1, .top_p = 0.6, .top_k = 2}, logits, 200).size(), 2u);
}

// Shares 4/7, 2/7, 1/7; the first token, when penalized, has the share 2/5 and the others 2/5, 1/5.
TEST(Sampler, ThePenaltyComesBeforeTopP) {
  const std::vector<float> logits = {std::log(4.0f), std::log(2.0f), std::log(1.0f)};
  const GenerationOptions options{.temperature = 1, .top_p = 0.55, .repetition_penalty = 2};
  EXPECT_EQ(Count(options, logits, 200).size(), 1u);
  EXPECT_EQ(Count(options, logits, 200, {0}).size(), 2u);
}

// Sample i draws its own numbers.
TEST(Sampler, EachSampleDrawsByItsIndex) {
  const std::vector<float> even = {0, 0};
  const GenerationOptions options{.temperature = 1, .seed = 9};
  for (uint32_t sample = 0; sample < 4; ++sample) {
    const Sampler sampler(options, {}, sample);
    for (uint32_t step = 0; step < 100; ++step) {
      EXPECT_EQ(sampler.Next(even, step), UniformAt(9, sample, step) < 0.5 ? 0 : 1);
    }
  }
}

// A positive logit is divided, a negative one multiplied.
TEST(Sampler, RepetitionPenaltyLowersWhatWasSaid) {
  const GenerationOptions options{.repetition_penalty = 2};
  EXPECT_EQ(Draw(options, {3, 2, 1}), 0);
  EXPECT_EQ(Draw(options, {3, 2, 1}, 0, {0}), 1);        // 1.5, 2, 1
  EXPECT_EQ(Draw(options, {3, 2, 1}, 0, {0, 0, 0}), 1);  // once, however often it was said
  EXPECT_EQ(Draw(options, {3, 2, 1}, 0, {0, 1}), 0);     // 1.5, 1, 1
  EXPECT_EQ(Draw(options, {-1, -1.5, -9}, 0, {0}), 1);   // -2, -1.5
  EXPECT_EQ(Draw(options, {3, 2, 1}, 0, {77, -5}), 0);   // ids outside are nobody
}

TEST(Sampler, WhatIsAcceptedJoinsTheHistory) {
  Sampler sampler({.repetition_penalty = 2}, {}, 0);
  const std::vector<float> logits = {3, 2, 1};
  EXPECT_EQ(sampler.Next(logits, 0), 0);
  sampler.Accept(0);
  EXPECT_EQ(sampler.Next(logits, 1), 1);
}

TEST(Sampler, SameSeedSameTokensAndOtherSeedsOtherTokens) {
  std::vector<float> logits(50);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = 0.01f * static_cast<float>(i);
  const auto draw = [&](uint64_t seed) {
    std::vector<TokenId> ids;
    for (uint32_t step = 0; step < 20; ++step) {
      ids.push_back(Draw({.temperature = 1, .seed = seed}, logits, step));
    }
    return ids;
  };
  EXPECT_EQ(draw(5), draw(5));
  EXPECT_NE(draw(5), draw(6));
}

TEST(Sampler, LargeLogitsDoNotOverflow) {
  EXPECT_EQ(Count({.temperature = 1}, {1e30f, -1e30f, 0}, 50), (std::map<TokenId, int>{{0, 50}}));
  EXPECT_EQ(Count({.temperature = 1e-4}, {300, 299, 0}, 50), (std::map<TokenId, int>{{0, 50}}));
}

}  // namespace
}  // namespace promptcache
