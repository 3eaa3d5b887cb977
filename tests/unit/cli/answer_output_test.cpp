#include "tools/cli/answer_output.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace promptcache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TokenLogprobs Token(TokenId id, const std::string& bytes) {
  return {{id, -0.25, bytes}, {{id, -0.25, bytes}, {9, -2.0, "\xC3"}}};
}

Answer TwoSamples() {
  Answer answer;
  answer.samples = {{.text = "a", .tokens = {1}, .logprobs = {Token(1, "a")}},
                    {.text = "b", .tokens = {2, 3}, .logprobs = {Token(2, "b\n"), Token(3, "")}}};
  answer.usage.samples = {{FinishReason::kStop, 1}, {FinishReason::kLength, 2}};
  return answer;
}

TEST(AnswerJson, HasEverySampleAndTheFirstOnesTextInItsPlace) {
  const nlohmann::json json = AnswerToJson(TwoSamples());
  EXPECT_EQ(json["text"], "a");
  EXPECT_EQ(json["tokens"], nlohmann::json({1}));
  ASSERT_EQ(json["samples"].size(), 2u);
  EXPECT_EQ(json["samples"][1]["text"], "b");
  EXPECT_EQ(json["samples"][1]["tokens"], nlohmann::json({2, 3}));
  EXPECT_EQ(json["samples"][0]["finish"], "stop");
  EXPECT_EQ(json["samples"][1]["finish"], "length");
  EXPECT_EQ(json["usage"]["samples"][1]["generated_tokens"], 2);
}

TEST(AnswerJson, GivesLogprobsAsNumbers) {
  const nlohmann::json token = AnswerToJson(TwoSamples())["samples"][1]["logprobs"][0];
  EXPECT_EQ(token["id"], 2);
  EXPECT_EQ(token["text"], "b\n");
  EXPECT_EQ(token["logprob"], -0.25);
  EXPECT_EQ(token["top"][1]["id"], 9);
  EXPECT_EQ(token["top"][1]["logprob"], -2.0);
}

TEST(LogprobsTable, HasALineForEachTokenWhateverItsBytes) {
  Answer answer = TwoSamples();
  answer.samples.erase(answer.samples.begin());
  const std::string table = RenderLogprobs(answer);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 5);  // empty, title, rule, two tokens
  EXPECT_THAT(table, HasSubstr("\"b\\n\"   2  -0.2500  \"b\\n\" 77.9%  \"\xEF\xBF\xBD\" 13.5%"));
}

TEST(AnswerOutput, StreamsOneSampleToPeopleOnly) {
  EXPECT_NE(AnswerOutput{}.Stream({}), nullptr);
  EXPECT_EQ(AnswerOutput{}.Stream({.samples = 2}), nullptr);
  EXPECT_EQ(AnswerOutput{.json = true}.Stream({}), nullptr);
}

TEST(AnswerOutput, NamesTheRequest) {
  Answer answer;
  answer.request_id = RequestId::Random();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(AnswerOutput{}.Finish(answer), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("request " + answer.request_id.ToHex()));
}

TEST(LogprobsTable, NamesItsSampleWhereThereAreSeveral) {
  EXPECT_THAT(RenderLogprobs(TwoSamples()),
              AllOf(HasSubstr("\nsample 0\ntoken"), HasSubstr("\nsample 1\ntoken")));
  Answer answer = TwoSamples();
  answer.samples.pop_back();
  EXPECT_THAT(RenderLogprobs(answer), Not(HasSubstr("sample")));
}

}  // namespace
}  // namespace promptcache
