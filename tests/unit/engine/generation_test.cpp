// What the options of a request do to its answer.
#include <gmock/gmock.h>

#include <algorithm>

#include "common/text/detokenizer.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// The first whole character from `at` on begins there.
size_t CharacterFrom(const std::string& text, size_t at) {
  while ((text[at] & 0xC0) == 0x80) ++at;
  return at;
}

class Options : public EngineTest {
 protected:
  static PlanMaker Prompt() {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(40, 1))).New(RandomIds(5, 2));
  }
  EngineRequest Asking(const PlanMaker& prompt, const GenerationOptions& options) const {
    EngineRequest request = Request(prompt, 0);
    request.options = options;
    return request;
  }
  // The text of each part of the answer, in their order.
  std::vector<std::string> Pieces(EngineRequest request) {
    auto pieces = std::make_shared<std::vector<std::string>>();
    Answer answer;
    request.events = answer.Events();
    request.events.on_part = [pieces](const AnswerPart& part) { pieces->push_back(part.text); };
    EXPECT_TRUE(engine_->Submit(std::move(request)).ok());
    answer.Wait();
    return *pieces;
  }
};

TEST_F(Options, S102_AsFarAsItIsGreedyTheSeedChangesNothing) {
  Start();
  const auto greedy = Run(Prompt(), 12)->tokens();
  for (const GenerationOptions& options :
       {GenerationOptions{.max_new_tokens = 12, .temperature = 9.9e-6, .seed = 5},
        GenerationOptions{.max_new_tokens = 12, .temperature = 2, .top_p = 9.9e-9, .seed = 6},
        GenerationOptions{.max_new_tokens = 12, .temperature = 1, .top_k = 1, .seed = 7}}) {
    EXPECT_EQ(Run(Asking(Prompt(), options))->tokens(), greedy);
  }
  EXPECT_NE(Run(Asking(Prompt(), {.max_new_tokens = 12, .temperature = 1}))->tokens(), greedy);
}

// The stop string begins with the answer's last characters and goes on otherwise.
TEST_F(Options, S103_TextThatMayBecomeAStopStringIsWithheldAndComesAtTheEnd) {
  Start();
  const std::string whole = Run(Prompt(), 40)->text();
  const std::string tail = whole.substr(CharacterFrom(whole, whole.size() - 8));
  ASSERT_EQ(whole.find(tail), whole.size() - tail.size());
  ASSERT_LT(Pieces(Request(Prompt(), 40)).back().size(), tail.size());
  EngineRequest request = Request(Prompt(), 40);
  request.options.stop_strings = {tail + "never"};
  const auto pieces = Pieces(std::move(request));
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  EXPECT_EQ(text, whole);
  EXPECT_THAT(pieces.back(), EndsWith(tail));
}

// The other one begins before it and is listed first.
TEST_F(Options, S103_TextEndsBeforeTheStopStringThatIsCompleteFirst) {
  Start();
  const std::string whole = Run(Prompt(), 40)->text();
  const size_t first = CharacterFrom(whole, 20), second = CharacterFrom(whole, first + 4);
  const std::string early = whole.substr(first, second - first);
  EngineRequest request = Request(Prompt(), 40);
  request.options.stop_strings = {whole, early};
  const auto answer = Run(std::move(request));
  EXPECT_EQ(answer->text(), whole.substr(0, whole.find(early)));
  EXPECT_EQ(answer->usage().finish, FinishReason::kStop);
}

TEST_F(Options, S103_AStopIdIsOneOfTheTokensAndNotInTheText) {
  Start();
  const auto whole = Run(Prompt(), 12);
  EngineRequest request = Request(Prompt(), 12);
  request.options.stop_ids = {whole->tokens().back()};
  const auto answer = Run(std::move(request));
  const auto& tokens = answer->tokens();
  EXPECT_EQ(answer->usage().finish, FinishReason::kStop);
  EXPECT_EQ(tokens.back(), whole->tokens().back());
  StreamingDetokenizer detokenizer(*tokenizer_);
  std::string text;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) text += detokenizer.Push(tokens[i]).value();
  EXPECT_EQ(answer->text(), text + detokenizer.Flush());
}

TEST_F(Options, StopStringsThatAreNotUtf8AreRefused) {
  Start();
  EngineRequest request = Request(Prompt(), 4);
  request.options.stop_strings = {"ok", "\xC3"};
  Answer answer;
  request.events = answer.Events();
  EXPECT_THAT(engine_->Submit(std::move(request)).message(), HasSubstr("not UTF-8"));
}

// One unit at the front: its states are those of plain prefill, so that only the history could make
// a difference. Rows [0, computed) of it are new tokens of the plan, as where text is recomputed.
class History : public Options, public ::testing::WithParamInterface<uint32_t> {
 protected:
  EngineRequest PartlyComputed(uint32_t computed, double penalty) const {
    const std::vector<TokenId> ids = RandomIds(40, 1);
    PlanMaker prompt;
    prompt.Unit(MakeRecipe({}, ids)).New(RandomIds(5, 2));
    EngineRequest request = Asking(prompt, {.max_new_tokens = 24, .repetition_penalty = penalty});
    Plan& plan = request.plan;
    Tokens fresh;
    for (uint32_t i = 0; i < computed; ++i) fresh.Append(ids[i], static_cast<Position>(i));
    for (size_t i = 0; i < plan.new_tokens.size(); ++i) {
      fresh.Append(plan.new_tokens.ids[i], plan.new_tokens.positions[i]);
    }
    plan.new_tokens = fresh;
    if (computed == ids.size()) {
      plan.units.clear();
      plan.segments.clear();
      request.recipes.clear();
    } else {
      plan.segments[0].first_row += computed;
      plan.segments[0].rows -= computed;
      plan.segments[0].first_position += static_cast<Position>(computed);
    }
    return request;
  }
};

INSTANTIATE_TEST_SUITE_P(Computed, History, ::testing::Values(8, 39, 40),
                         ::testing::PrintToStringParamName());

TEST_P(History, S104_RepetitionPenaltyIsTheSameCachedPartlyComputedAndComputed) {
  Start();
  for (const double penalty : {1.05, 1.3, 5.0}) {
    const auto cached = Run(PartlyComputed(0, penalty))->tokens();
    EXPECT_EQ(Run(PartlyComputed(GetParam(), penalty))->tokens(), cached) << penalty;
    EXPECT_NE(Run(PartlyComputed(GetParam(), 1))->tokens(), cached) << penalty;
  }
}

}  // namespace
}  // namespace promptcache::testing
