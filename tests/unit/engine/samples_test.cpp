// Several answers to one prompt.
#include <gmock/gmock.h>

#include <set>

#include "tests/unit/engine/counting_model.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Samples : public EngineTest {
 protected:
  void StartCounting() {
    loaded_ = LoadTinyLlama(dtype_);
    counting_ = std::make_unique<CountingModel>(*loaded_.model);
    engine_ = StartEngine({.model = counting_.get(),
                           .tokenizer = tokenizer_.get(),
                           .format = {loaded_.identity},
                           .clock = &clock_},
                          options_);
  }
  EngineRequest Drawn(uint32_t samples, uint32_t max_new_tokens = 20) const {
    const PlanMaker prompt =
        PlanMaker().Unit(MakeRecipe({}, RandomIds(40, 1))).New(RandomIds(70, 2));
    EngineRequest request = Request(prompt, max_new_tokens);
    request.options.temperature = 1;
    request.options.seed = 11;
    request.options.samples = samples;
    return request;
  }

  std::unique_ptr<CountingModel> counting_;
};

TEST_F(Samples, TheFirstIsTheAnswerOfARequestForOne) {
  Start();
  const auto single = Run(Drawn(1));
  const auto several = Run(Drawn(4));
  ASSERT_TRUE(several->status().ok()) << several->status().ToString();
  EXPECT_EQ(several->tokens(), single->tokens());
  EXPECT_EQ(several->text(), single->text());
}

TEST_F(Samples, DifferAndDoNotDependOnHowManyThereAre) {
  Start();
  const auto eight = Run(Drawn(8)), three = Run(Drawn(3));
  std::set<std::vector<TokenId>> distinct;
  for (size_t i = 0; i < 8; ++i) distinct.insert(eight->sample(i).tokens);
  EXPECT_THAT(distinct, SizeIs(8));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(three->sample(i).tokens, eight->sample(i).tokens) << i;
}

TEST_F(Samples, AreAllTheModelsAnswerWhenGreedy) {
  options_.prefill_chunk_tokens = 16;
  Start();
  const PlanMaker prompt = PlanMaker().Unit(MakeRecipe({}, RandomIds(40, 3))).New(RandomIds(50, 4));
  EngineRequest request = Request(prompt, 12);
  request.options.samples = 3;
  const auto answer = Run(std::move(request));
  const auto expected = Reference(prompt, 12);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(answer->sample(i).tokens, expected) << i;
}

TEST_F(Samples, ShareOneComputationOfThePrompt) {
  StartCounting();
  ASSERT_TRUE(Run(Drawn(5, 10))->status().ok());
  // The unit, the prompt, and of each answer all tokens but the last.
  EXPECT_EQ(counting_->tokens(), 40u + 70u + 5u * 9u);
}

TEST_F(Samples, EndOneByOneAndUsageSaysHow) {
  Start();
  const auto whole = Run(Drawn(4));
  // A token that the first answer has and another has not.
  const auto has = [&](size_t sample, TokenId id) {
    const auto& tokens = whole->sample(sample).tokens;
    return std::find(tokens.begin(), tokens.end(), id) != tokens.end();
  };
  const auto& first = whole->tokens();
  const auto stop = std::find_if(first.begin() + 1, first.end(), [&](TokenId id) {
    return !has(1, id) || !has(2, id) || !has(3, id);
  });
  ASSERT_NE(stop, first.end());
  EngineRequest request = Drawn(4);
  request.options.stop_ids = {*stop};
  const auto answer = Run(std::move(request));
  uint32_t generated = 0;
  ASSERT_THAT(answer->usage().samples, SizeIs(4));
  for (size_t i = 0; i < 4; ++i) {
    const auto& tokens = whole->sample(i).tokens;
    const auto end = std::find(tokens.begin(), tokens.end(), *stop);
    const bool stopped = end != tokens.end();
    const std::vector<TokenId> expected(tokens.begin(), stopped ? end + 1 : end);
    EXPECT_EQ(answer->sample(i).tokens, expected) << i;
    const SampleUsage& usage = answer->usage().samples[i];
    EXPECT_EQ(usage.finish, stopped ? FinishReason::kStop : FinishReason::kLength) << i;
    EXPECT_EQ(usage.generated_tokens, expected.size()) << i;
    generated += usage.generated_tokens;
  }
  EXPECT_EQ(answer->usage().finish, FinishReason::kLength);  // one of them was cut short
  EXPECT_EQ(answer->usage().generated_tokens, generated);
}

TEST_F(Samples, AreAllEndedByOneCancel) {
  Start();
  EngineRequest request = Drawn(4, 3000);
  request.options.temperature = 0;  // so that none of them ends by itself
  const RequestId id = request.id;
  const auto answer = Submit(std::move(request));
  answer->WaitTokens(12);
  engine_->Cancel(id);
  answer->Wait();
  EXPECT_EQ(answer->status().code(), Code::kCancelled);
  EXPECT_EQ(answer->usage().finish, FinishReason::kCancelled);
  EXPECT_THAT(
      answer->usage().samples,
      AllOf(SizeIs(4), Each(::testing::Field(&SampleUsage::finish, FinishReason::kCancelled))));
}

TEST_F(Samples, OfAllRequestsTogetherAreNoMoreInAStepThanThereAreSlots) {
  options_.slots = 4;
  StartCounting();
  std::vector<std::shared_ptr<Answer>> answers;
  for (const uint32_t samples : {3u, 2u, 1u, 4u, 1u, 3u}) answers.push_back(Submit(Drawn(samples)));
  for (const auto& answer : answers) {
    answer->Wait();
    EXPECT_TRUE(answer->status().ok()) << answer->status().ToString();
    EXPECT_EQ(answer->tokens(), answers[0]->tokens());
  }
  EXPECT_LE(counting_->most_rows(), 4u);
}

TEST_F(Samples, MoreThanTheSlotsAreRefusedWithBothNumbers) {
  options_.slots = 4;
  StartCounting();
  Answer answer;
  EngineRequest request = Drawn(5);
  request.events = answer.Events();
  const Status status = engine_->Submit(std::move(request));
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("5 samples"), HasSubstr("has 4")));
  EXPECT_EQ(answer.finals(), 0);
  EXPECT_EQ(counting_->tokens(), 0u);
}

TEST_F(Samples, OfNoTokensOnlyEncode) {
  StartCounting();
  const auto answer = Run(Drawn(4, 0));
  EXPECT_TRUE(answer->status().ok());
  EXPECT_THAT(answer->usage().samples, SizeIs(4));
  EXPECT_EQ(counting_->tokens(), 40u);
}

}  // namespace
}  // namespace promptcache::testing
