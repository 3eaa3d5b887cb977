#include "worker/service/worker_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Ends each request at once; its one unit cost something.
class PromptEngine : public Engine {
 public:
  Status Submit(EngineRequest request) override {
    recipes = request.recipes;
    request.events.on_final({}, {.units = {UnitUsage{.path = "a"}}});
    return {};
  }
  void Cancel(const RequestId&) override {}
  EngineStats stats() const override { return {}; }
  void Drop(std::vector<UnitKey>, std::function<void(RemovedUnits)>) override {}

  std::vector<KnownRecipePtr> recipes;  // of the last request
};

class WorkerRequestsTest : public ::testing::Test {
 protected:
  static Envelope RunOf(uint8_t number) {
    Envelope run{.body = promptcache::Run{}};
    run.request_id.bytes[0] = number;
    return run;
  }
  static Envelope RunOf(uint8_t number, const std::vector<Recipe>& recipes) {
    Envelope run = RunOf(number);
    for (const Recipe& recipe : recipes) {
      std::get<promptcache::Run>(run.body).plan.units.push_back({.digest = recipe.Digest()});
    }
    return run;
  }
  static Recipe RecipeOf(TokenId token, size_t tokens = 1) {
    Recipe recipe{.mode = EncodingMode::kIndependent};
    for (size_t i = 0; i < tokens; ++i) recipe.own.Append(token, static_cast<Position>(i));
    return recipe;
  }
  static Envelope AnswerTo(const Envelope& run, const Recipe& recipe) {
    return {.request_id = run.request_id, .body = RecipeReply{{recipe}, {}}};
  }
  const Final& FinalAt(size_t index) { return std::get<Final>(sent_.at(index).body); }

  FakeClock clock_;
  PromptEngine engine_;
  std::vector<Envelope> sent_;
  std::function<Status(const Envelope&)> link_ = [](const Envelope&) { return Status(); };
  WorkerRequests requests_{{.engine = &engine_,
                            .clock = &clock_,
                            .worker = "w",
                            .waiting_limit = 8,
                            .recipe_cache_tokens = 20,
                            .post = [](const std::function<void()>& event) { event(); },
                            .send =
                                [this](uint32_t, const Envelope& envelope) {
                                  Status status = link_(envelope);
                                  if (status.ok()) sent_.push_back(envelope);
                                  return status;
                                }}};
};

TEST_F(WorkerRequestsTest, ARunUnderAnIdThatHasEndedIsAnswered) {
  for (int i = 0; i < 2; ++i) requests_.Receive(0, RunOf(1));
  ASSERT_THAT(sent_, SizeIs(2)) << "or its slot would be held until the deadline";
  EXPECT_EQ(FinalAt(0).code, Code::kOk);
  EXPECT_EQ(FinalAt(1).code, Code::kFailedPrecondition);
}

TEST_F(WorkerRequestsTest, RecipesMayComeInSeveralMessages) {
  const Envelope run = RunOf(1, {RecipeOf(1), RecipeOf(2)});
  requests_.Receive(0, run);
  ASSERT_TRUE(std::holds_alternative<RecipeQuery>(sent_.at(0).body));
  requests_.Receive(0, {.body = RecipeReply{.recipes = {RecipeOf(1)}}});
  EXPECT_THAT(sent_, SizeIs(1)) << "only the last one names the request";
  requests_.Receive(0, AnswerTo(run, RecipeOf(2)));
  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_EQ(FinalAt(1).code, Code::kOk) << FinalAt(1).message;
}

TEST_F(WorkerRequestsTest, WhatIsSentAndLoggedOfARunHasItsTrace) {
  Envelope run = RunOf(1);
  run.trace = "00-trace-of-the-run";
  std::get<promptcache::Run>(run.body).plan.units.push_back({.digest = RecipeOf(1).Digest()});
  ::testing::internal::CaptureStderr();
  requests_.Receive(0, run);
  requests_.Receive(0, run);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(run.trace));
  ::testing::internal::CaptureStderr();
  requests_.Receive(0, {.request_id = run.request_id, .body = Reply{.code = Code::kNotFound}});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(run.trace));
  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_TRUE(std::holds_alternative<RecipeQuery>(sent_[0].body));
  EXPECT_EQ(sent_[0].trace, run.trace);
  EXPECT_EQ(sent_[1].trace, run.trace);
}

TEST_F(WorkerRequestsTest, RecipesThatComeDoNotTakeFromTheirRequestThoseThatWereThere) {
  const Recipe here = RecipeOf(1, 15);
  const Recipe missing = RecipeOf(2, 15);
  const Envelope first = RunOf(1, {here});
  requests_.Receive(0, first);
  requests_.Receive(0, AnswerTo(first, here));
  const Envelope both = RunOf(2, {here, missing});
  requests_.Receive(0, both);
  ASSERT_EQ(std::get<RecipeQuery>(sent_.back().body).digests, std::vector{missing.Digest()});
  requests_.Receive(0, AnswerTo(both, missing));
  ASSERT_EQ(std::get<Final>(sent_.back().body).code, Code::kOk)
      << std::get<Final>(sent_.back().body).message;
  ASSERT_THAT(engine_.recipes, SizeIs(2));
  EXPECT_EQ(engine_.recipes[0]->digest, here.Digest());
  EXPECT_EQ(engine_.recipes[1]->digest, missing.Digest());
}

TEST_F(WorkerRequestsTest, ARequestWhoseRecipeDoesNotComeEnds) {
  const Envelope run = RunOf(1, {RecipeOf(1)});
  requests_.Receive(0, run);
  requests_.Receive(0, AnswerTo(run, RecipeOf(2)));
  EXPECT_EQ(std::get<Final>(sent_.back().body).code, Code::kFailedPrecondition);
}

TEST_F(WorkerRequestsTest, AnEndThatNoMessageHoldsComesWithoutItsUnits) {
  link_ = [](const Envelope& envelope) {
    const bool fits = std::get<Final>(envelope.body).usage.units.empty();
    return fits ? Status() : ResourceExhausted("too large");
  };
  requests_.Receive(0, RunOf(1));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(FinalAt(0).code, Code::kOk);
}

TEST_F(WorkerRequestsTest, WhatAFullLinkDidNotTakeIsSentWithTheNextTick) {
  link_ = [](const Envelope&) { return Busy("full"); };
  requests_.Receive(0, RunOf(1));
  link_ = [](const Envelope&) { return Status(); };
  EXPECT_THAT(sent_, IsEmpty());
  requests_.Tick();
  EXPECT_THAT(sent_, SizeIs(1));
}

}  // namespace
}  // namespace promptcache::testing
