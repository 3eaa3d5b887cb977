// How requests end, and what the engine does when something is wrong.
#include "worker/engine/engine.h"

#include <gmock/gmock.h>

#include "common/text/detokenizer.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kEndless = 3000;

class EngineBehaviour : public EngineTest {
 protected:
  PlanMaker Prompt(uint64_t seed = 1) const {
    return PlanMaker().Unit(MakeRecipe({}, RandomIds(40, seed))).New(RandomIds(5, seed + 1));
  }

  Status Refusal(EngineRequest request) {
    Answer answer;
    request.events = answer.Events();
    const Status status = engine_->Submit(std::move(request));
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
    EXPECT_EQ(answer.finals(), 0);
    return status;
  }
};

// ---- how an answer ends ----

TEST_F(EngineBehaviour, StopIdEndsTheAnswerWithIt) {
  Start();
  const auto whole = Run(Prompt(), 12)->tokens();
  EngineRequest request = Request(Prompt(), 12);
  request.options.stop_ids = {whole[5]};
  const auto answer = Run(std::move(request));
  const auto first = std::find(whole.begin(), whole.end(), whole[5]);
  EXPECT_EQ(answer->tokens(), std::vector<TokenId>(whole.begin(), first + 1));
  EXPECT_EQ(answer->usage().finish, FinishReason::kStop);
  EXPECT_EQ(answer->usage().generated_tokens, answer->tokens().size());
}

TEST_F(EngineBehaviour, EndTokenOfTheTokenizerEndsTheAnswer) {
  Start();
  // So hot that every token is about as likely: within 500 draws an end token comes.
  EngineRequest request = Request(Prompt(), 500);
  request.options.temperature = 100;
  request.options.seed = 5;
  const auto answer = Run(std::move(request));
  const std::vector<TokenId> ends = tokenizer_->end_ids();
  ASSERT_EQ(answer->usage().finish, FinishReason::kStop);
  EXPECT_NE(std::find(ends.begin(), ends.end(), answer->tokens().back()), ends.end());
  for (size_t i = 0; i + 1 < answer->tokens().size(); ++i) {
    EXPECT_EQ(std::find(ends.begin(), ends.end(), answer->tokens()[i]), ends.end());
  }
}

TEST_F(EngineBehaviour, S103_StopStringCutsTheTextBeforeIt) {
  Start();
  // An answer of text: random bytes seldom are, so any ASCII byte in it will do.
  const auto whole = Run(Prompt(), 64);
  const std::string& text = whole->text();
  const auto ascii =
      std::find_if(text.begin() + 1, text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  ASSERT_NE(ascii, text.end());
  EngineRequest request = Request(Prompt(), 64);
  request.options.stop_strings = {std::string(1, *ascii)};
  const auto answer = Run(std::move(request));
  EXPECT_EQ(answer->text(), text.substr(0, text.find(*ascii)));
  EXPECT_EQ(answer->usage().finish, FinishReason::kStop);
  EXPECT_LT(answer->tokens().size(), 64u);
}

TEST_F(EngineBehaviour, TextOfAnAnswerIsThatOfItsTokens) {
  Start();
  const auto answer = Run(Prompt(), 64);
  StreamingDetokenizer detokenizer(*tokenizer_);
  std::string text;
  for (const TokenId id : answer->tokens()) text += detokenizer.Push(id).value();
  EXPECT_EQ(answer->text(), text + detokenizer.Flush());
}

TEST_F(EngineBehaviour, NoTokensAskedOnlyEncodes) {
  Start();
  const auto answer = Run(Prompt(), 0);
  EXPECT_TRUE(answer->status().ok());
  EXPECT_THAT(answer->tokens(), IsEmpty());
  EXPECT_EQ(answer->usage().encoded_tokens, 40u);
  EXPECT_THAT(Run(Prompt(), 1)->usage().units, Each(Field(&UnitUsage::source, Source::kDevice)));
}

TEST_F(EngineBehaviour, SameSeedSameAnswerWhateverElseRuns) {
  Start();
  const auto sampled = [&](uint64_t seed) {
    EngineRequest request = Request(Prompt(), 20);
    request.options.temperature = 1;
    request.options.seed = seed;
    return request;
  };
  const auto alone = Run(sampled(3))->tokens();
  const auto beside = Submit(Request(Prompt(7), 200));
  EXPECT_EQ(Run(sampled(3))->tokens(), alone);
  EXPECT_NE(Run(sampled(4))->tokens(), alone);
  beside->Wait();
}

TEST_F(EngineBehaviour, CancelEndsARunningRequestAndNoOther) {
  Start();
  EngineRequest request = Request(Prompt(), kEndless);
  const RequestId id = request.id;
  const auto cancelled = Submit(std::move(request));
  const auto other = Submit(Request(Prompt(5), 30));
  cancelled->WaitTokens(3);
  engine_->Cancel(id);
  engine_->Cancel(RequestId::Random());  // nobody
  cancelled->Wait();
  other->Wait();
  EXPECT_EQ(cancelled->status().code(), Code::kCancelled);
  EXPECT_EQ(cancelled->usage().finish, FinishReason::kCancelled);
  EXPECT_LT(cancelled->usage().generated_tokens, kEndless);
  EXPECT_TRUE(other->status().ok());
  EXPECT_EQ(other->tokens().size(), 30u);
  engine_ = nullptr;
  EXPECT_EQ(cancelled->finals(), 1);
}

TEST_F(EngineBehaviour, DeadlineEndsRunningAndWaitingRequests) {
  options_.slots = 1;
  Start();
  EngineRequest late = Request(Prompt(), kEndless);
  late.deadline = SystemClock().Now();
  EXPECT_EQ(Run(std::move(late))->status().code(), Code::kDeadlineExceeded);
  EngineRequest running = Request(Prompt(), kEndless), waiting = Request(Prompt());
  running.deadline = SystemClock().Now() + std::chrono::milliseconds(100);
  waiting.deadline = SystemClock().Now();
  const auto first = Submit(std::move(running)), second = Submit(std::move(waiting));
  first->Wait();
  second->Wait();
  EXPECT_EQ(first->status().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(second->status().code(), Code::kDeadlineExceeded);
}

TEST_F(EngineBehaviour, EndOfTheEngineEndsEveryRequest) {
  options_.slots = 2;
  Start();
  std::vector<std::shared_ptr<Answer>> answers;
  for (uint64_t i = 0; i < 4; ++i) answers.push_back(Submit(Request(Prompt(i), kEndless)));
  answers[0]->WaitTokens(1);
  engine_ = nullptr;
  for (const auto& answer : answers) {
    EXPECT_EQ(answer->finals(), 1);
    EXPECT_EQ(answer->status().code(), Code::kUnavailable);
  }
}

// ---- what a request may not ask ----

TEST_F(EngineBehaviour, ContextOverflowNamesBothNumbers) {
  Start();
  const PlanMaker prompt = PlanMaker().Gap(4000).New(RandomIds(50, 1));
  EXPECT_TRUE(Run(prompt, 46)->status().ok());
  EXPECT_THAT(Refusal(Request(prompt, 47)).message(), AllOf(HasSubstr("4097"), HasSubstr("4096")));
  EXPECT_THAT(Refusal(Request(prompt, 0xffffffff)).message(), HasSubstr("4096"));
}

TEST_F(EngineBehaviour, PlansThatDoNotHoldTogetherAreRefused) {
  Start();
  EngineRequest request = Request(Prompt());
  request.recipes.clear();
  EXPECT_THAT(Refusal(request).message(), HasSubstr("recipes for 0 of 1"));
  request = Request(Prompt());
  request.recipes[0] = Known(*MakeRecipe({}, RandomIds(39, 1)));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("39 tokens"));
  request = Request(Prompt());
  request.recipes[0] = Known(*MakeRecipe({}, RandomIds(40, 99)));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("digest"));
  request = Request(Prompt());
  request.plan.segments[0].shift = 1;
  EXPECT_THAT(Refusal(request).message(), HasSubstr("positions"));
  request = Request(Prompt());
  request.plan.new_tokens.ids[0] = 260;
  EXPECT_THAT(Refusal(request).message(), HasSubstr("token id 260"));
  request = Request(PlanMaker().Unit(MakeRecipe({}, {260})).New({1}));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("token id 260"));
  request = Request(PlanMaker().Unit(MakeRecipe({}, {1})));
  EXPECT_THAT(Refusal(request).message(), HasSubstr("nothing to generate from"));
  request = Request(Prompt());
  request.options.temperature = -1;
  EXPECT_THAT(Refusal(request).message(), HasSubstr("temperature"));
}

TEST_F(EngineBehaviour, MoreStopsOrUnitsThanMakeSenseAreRefused) {
  Start();
  EngineRequest request = Request(Prompt());
  request.options.stop_strings.assign(257, "x");
  EXPECT_THAT(Refusal(request).message(), HasSubstr("at most 256 stop strings"));
  request.options.stop_strings = {std::string(20'000, 'x')};
  EXPECT_THAT(Refusal(request).message(), HasSubstr("16384 bytes"));
  request = Request(Prompt());
  request.options.stop_ids.assign(257, 1);
  EXPECT_THAT(Refusal(request).message(), HasSubstr("stop ids"));
  request = Request(Prompt());
  request.plan.units.assign(kTinyContext + 1, request.plan.units[0]);
  request.recipes.assign(kTinyContext + 1, request.recipes[0]);
  EXPECT_THAT(Refusal(request).message(), HasSubstr("more units"));
}

TEST_F(EngineBehaviour, ContextLongerThanTheModelsIsRefused) {
  Start();
  const auto recipe = MakeRecipe(RandomIds(10, 1), RandomIds(4, 2), kTinyContext);
  EXPECT_THAT(Refusal(Request(PlanMaker().Unit(recipe).New({1}))).message(), HasSubstr("4096"));
}

TEST_F(EngineBehaviour, UnitsOfEveryEncodingModeAreTaken) {
  Start();
  for (const auto mode : {EncodingMode::kAnchored, EncodingMode::kIndependent,
                          EncodingMode::kSchema, EncodingMode::kScaffoldSet}) {
    Recipe recipe = *MakeRecipe({}, RandomIds(4, 2));
    recipe.mode = mode;
    const auto shared = std::make_shared<const Recipe>(recipe);
    EXPECT_TRUE(Run(PlanMaker().Unit(shared).New({1}))->status().ok()) << EncodingModeName(mode);
  }
}

TEST_F(EngineBehaviour, SegmentsCountRowsNotOwnTokens) {
  Start();
  const auto recipe = WithHidden(MakeRecipe({}, RandomIds(10, 2)), {{2, 3}, {6, 1}});
  EXPECT_TRUE(Run(PlanMaker().Unit(recipe).New({1}))->status().ok());
  EngineRequest request = Request(PlanMaker().Unit(recipe).New({1}));
  request.plan.segments = {{.unit = 0, .first_row = 0, .rows = 3}};  // the third row stands at 5
  EXPECT_THAT(Refusal(request).message(), HasSubstr("positions"));
  request.plan.units[0].tokens = 10;
  EXPECT_THAT(Refusal(request).message(), HasSubstr("has 6 tokens, not 10"));
}

}  // namespace
}  // namespace promptcache::testing
