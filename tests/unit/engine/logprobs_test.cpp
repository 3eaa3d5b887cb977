// Log-probabilities against values worked out by hand and against the model in double precision.
#include "worker/engine/logprobs.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// softmax(ln 1, ln 2, ln 5) = 1/8, 2/8, 5/8.
const std::vector<float> kEighths = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};

TEST(Logprobs, AreTheLogarithmsOfTheShares) {
  const TokenLogprobs got = LogprobsOf(kEighths, 0, 2);
  EXPECT_EQ(got.chosen.id, 0);
  EXPECT_NEAR(got.chosen.logprob, std::log(1.0 / 8), 1e-6);
  ASSERT_THAT(got.top, SizeIs(2));
  EXPECT_EQ(got.top[0].id, 2);
  EXPECT_NEAR(got.top[0].logprob, std::log(5.0 / 8), 1e-6);
  EXPECT_EQ(got.top[1].id, 1);
  EXPECT_NEAR(got.top[1].logprob, std::log(2.0 / 8), 1e-6);
}

TEST(Logprobs, EqualTokensStandByTheirIds) {
  const std::vector<float> logits = {1, 3, 3, 0, 3};
  const TokenLogprobs got = LogprobsOf(logits, 4, 3);
  EXPECT_EQ(got.top[0].id, 1);
  EXPECT_EQ(got.top[1].id, 2);
  EXPECT_EQ(got.top[2].id, 4);
}

TEST(Logprobs, ASmallVocabularyGivesAllItHas) {
  EXPECT_THAT(LogprobsOf(kEighths, 0, 20).top, SizeIs(3));
}

TEST(Logprobs, AreFiniteWhateverTheLogitsAre) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& logits :
       {std::vector<float>{1e30f, -1e30f, 0}, {0, -infinity, 1}, {0, infinity, 1}, {NAN, NAN, 1}}) {
    const TokenLogprobs got = LogprobsOf(logits, 1, 3);
    EXPECT_TRUE(std::isfinite(got.chosen.logprob));
    for (const TokenLogprob& one : got.top) EXPECT_TRUE(std::isfinite(one.logprob));
  }
}

class AnswerLogprobs : public EngineTest {
 protected:
  static PlanMaker Prompt() {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(40, 1))).New(RandomIds(5, 2));
  }
};

TEST_F(AnswerLogprobs, AreThoseOfTheModelWhateverShapesTheDraw) {
  Start();
  EngineRequest request = Request(Prompt(), 6);
  request.options.logprobs = 4;
  request.options.temperature = 2;
  request.options.top_k = 30;
  request.options.repetition_penalty = 3;
  const auto answer = Run(std::move(request));
  const auto& tokens = answer->tokens();
  const auto& logprobs = answer->sample(0).logprobs;
  ASSERT_EQ(logprobs.size(), tokens.size());
  PlanMaker prompt = Prompt();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto logits = ReferenceLogits(llama_, prompt.tokens(), prompt.sees());
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    const auto expected = [&](TokenId id) {
      return logits[static_cast<size_t>(id)] - std::log(sum);
    };
    EXPECT_EQ(logprobs[i].chosen.id, tokens[i]);
    EXPECT_NEAR(logprobs[i].chosen.logprob, expected(tokens[i]), 1e-3);
    ASSERT_THAT(logprobs[i].top, SizeIs(4));
    EXPECT_EQ(logprobs[i].top[0].id,
              std::max_element(logits.begin(), logits.end()) - logits.begin());
    for (const TokenLogprob& one : logprobs[i].top) {
      EXPECT_NEAR(one.logprob, expected(one.id), 1e-3);
      EXPECT_EQ(one.bytes, tokenizer_->TokenBytes(one.id).value());
    }
    prompt.New({tokens[i]});
  }
}

TEST_F(AnswerLogprobs, ChangeNothingOfTheAnswerAndAreLeftOutUnlessAskedFor) {
  Start();
  const auto without = Run(Request(Prompt(), 12));
  EngineRequest request = Request(Prompt(), 12);
  request.options.logprobs = 20;
  EXPECT_EQ(Run(std::move(request))->tokens(), without->tokens());
  EXPECT_THAT(without->sample(0).logprobs, IsEmpty());
}

}  // namespace
}  // namespace promptcache::testing
