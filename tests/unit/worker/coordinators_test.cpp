// A worker with several coordinators, of which some are lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/unit/worker/worker_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint32_t kNewAttempt = 65'536;

class Coordinators : public WorkerFixture {
 protected:
  Coordinators() {
    settings_.coordinator_endpoints = {kFirstEndpoint, kSecondEndpoint};
    Start();
    (void)Next<Residency>();
    (void)Next<Residency>(*second_);
    step_ = milliseconds(0);  // the engine may take its time
  }

  // The first one ends, and the worker has noticed.
  void LoseFirst() {
    coordinator_ = nullptr;
    network_.Advance(seconds(10));  // a heartbeat
  }

  RequestState Ask(const RequestId& id) {
    second_->Send({.request_id = id, .attempt = kNewAttempt, .body = RequestQuery{}});
    return std::get<RequestState>(Next<RequestState>(*second_).body);
  }

  void SendToSecond(const RequestId& id, Message body, uint32_t attempt = kNewAttempt) {
    second_->Send({.request_id = id, .attempt = attempt, .body = std::move(body)});
  }

  // What comes up to the Final, which comes next. Every part has its number.
  std::vector<TokenId> TokensUntilFinal(FakeCoordinator& from, uint32_t first_part) {
    const Envelope end = Next<Final>(from);
    EXPECT_EQ(FinalOf(end).code, Code::kOk) << FinalOf(end).message;
    std::vector<TokenId> tokens;
    for (const Envelope& envelope : from.heard) {
      const auto* part = std::get_if<Partial>(&envelope.body);
      if (part == nullptr) continue;
      EXPECT_EQ(part->seq, first_part++);
      EXPECT_EQ(envelope.attempt, end.attempt);
      tokens.insert(tokens.end(), part->tokens.begin(), part->tokens.end());
    }
    std::erase_if(from.heard, [](const Envelope& envelope) {
      return std::holds_alternative<Partial>(envelope.body);
    });
    return tokens;
  }

  std::vector<TokenId> Expected(const PlanMaker& prompt, uint32_t count) const {
    return ReferenceGreedy(TinyLlama::Random(), prompt.tokens(), prompt.next(), count,
                           prompt.sees());
  }

  std::unique_ptr<FakeCoordinator> second_ =
      std::make_unique<FakeCoordinator>(network_, kSecondEndpoint);
};

TEST_F(Coordinators, EachHearsWhatTheWorkerHolds) {
  const PlanMaker prompt = Prompt();
  const Envelope run = RunOf(prompt);
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  SendRecipes(run.request_id, prompt);
  (void)Next<Final>();
  network_.Advance(milliseconds(200));
  for (FakeCoordinator* one : {coordinator_.get(), second_.get()}) {
    const auto residency = std::get<Residency>(Next<Residency>(*one).body);
    EXPECT_FALSE(residency.snapshot);
    EXPECT_EQ(residency.seq, 2u);
    EXPECT_THAT(residency.added, SizeIs(1));
    const Envelope beat = NextThat(*one, [](const Envelope& envelope) {
      const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body);
      return heartbeat != nullptr && heartbeat->units == 1;
    });
    EXPECT_EQ(std::get<Heartbeat>(beat.body).residency_seq, 2u);
    uint64_t head = 0;
    std::memcpy(&head, residency.added[0].bytes.data(), sizeof(head));
    EXPECT_EQ(std::get<Heartbeat>(beat.body).residency_digest, head);
  }
}

TEST_F(Coordinators, ResyncOfOneLosesNothingForTheOther) {
  const PlanMaker prompt = Prompt();
  const Envelope run = RunOf(prompt);
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  SendRecipes(run.request_id, prompt);
  coordinator_->Send({.body = ResidencyResync{}});
  (void)Next<Final>();
  EXPECT_TRUE(std::get<Residency>(Next<Residency>().body).snapshot);
  const auto told = std::get<Residency>(Next<Residency>(*second_).body);
  EXPECT_FALSE(told.snapshot);
  EXPECT_EQ(told.seq, 2u);
  EXPECT_THAT(told.added, SizeIs(1));
}

TEST_F(Coordinators, AnswersGoToWhoAsked) {
  const PlanMaker prompt = Prompt();
  const Envelope run = RunOf(prompt);
  second_->Send(run);
  (void)Next<RecipeQuery>(*second_);
  // Recipes of somebody else's are no answer to the question.
  coordinator_->Send({.request_id = run.request_id, .body = RecipeReply{}});
  network_.RunUntilIdle();
  RecipeReply reply;
  for (const auto& recipe : prompt.recipes()) reply.recipes.push_back(*recipe);
  second_->Send({.request_id = run.request_id, .body = reply});
  EXPECT_EQ(TokensUntilFinal(*second_, 0), Expected(prompt, 8));
  for (const Envelope& envelope : coordinator_->heard) {
    EXPECT_TRUE(envelope.request_id.is_zero());
  }
}

TEST_F(Coordinators, RequestOfALostOneIsAdoptedWithItsWholeAnswer) {
  const Envelope run = RunOf(Plain(), 300);
  coordinator_->Send(run);
  std::vector<TokenId> tokens = std::get<Partial>(Next<Partial>().body).tokens;
  LoseFirst();
  const RequestState state = Ask(run.request_id);
  EXPECT_NE(state.phase, RequestPhase::kUnknown);
  EXPECT_EQ(state.attempt, 0u);
  EXPECT_GE(state.parts, 1u);
  SendToSecond(run.request_id, Adopt{{.parts = 1, .samples = {tokens}}});
  const auto rest = TokensUntilFinal(*second_, 1);
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  EXPECT_EQ(tokens, Expected(Plain(), 300));
  // It is kept, for whoever comes next.
  EXPECT_EQ(Ask(run.request_id),
            (RequestState{.phase = RequestPhase::kEnded, .attempt = kNewAttempt, .parts = 300}));
  SendToSecond(run.request_id, Adopt{}, 2 * kNewAttempt);
  EXPECT_EQ(TokensUntilFinal(*second_, 0), tokens);
}

TEST_F(Coordinators, RequestThatNobodyAdoptsIsCancelledAfterHalfAMinute) {
  const Envelope run = RunOf(Plain(), 4000);
  coordinator_->Send(run);
  (void)Next<Partial>();
  LoseFirst();
  network_.Advance(seconds(15));
  EXPECT_EQ(Ask(run.request_id).phase, RequestPhase::kRunning);
  network_.Advance(seconds(20));
  EXPECT_EQ(Ask(run.request_id).phase, RequestPhase::kUnknown);
  step_ = milliseconds(1);
  second_->heard.clear();
  const Envelope idle = NextThat(*second_, [](const Envelope& envelope) {
    const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body);
    return heartbeat != nullptr && heartbeat->active == 0;
  });
  EXPECT_LT(std::get<Heartbeat>(idle.body).generated_tokens, 4000u);
  SendToSecond(run.request_id, Adopt{});
  EXPECT_EQ(FinalOf(Next<Final>(*second_)).code, Code::kNotFound);
}

TEST_F(Coordinators, ThatComesBackDoesNotGoOnWithAHole) {
  const Envelope run = RunOf(Plain(), 4000);
  coordinator_->Send(run);
  (void)Next<Partial>();
  LoseFirst();
  coordinator_ = std::make_unique<FakeCoordinator>(network_, kFirstEndpoint);
  network_.Advance(seconds(5));
  (void)Next<WorkerReady>();
  network_.Advance(milliseconds(400));
  for (const Envelope& envelope : coordinator_->heard) {
    EXPECT_FALSE(std::holds_alternative<Partial>(envelope.body));
  }
  coordinator_->Send({.request_id = run.request_id, .attempt = 1, .body = Adopt{}});
  EXPECT_EQ(std::get<Partial>(Next<Partial>().body).seq, 0u);
  coordinator_->Send({.request_id = run.request_id, .attempt = 1, .body = Cancel{}});
  EXPECT_EQ(FinalOf(Next<Final>()).code, Code::kCancelled);
}

TEST_F(Coordinators, OneThatTakesOverFromALiveOneSaysSo) {
  const Envelope run = RunOf(Plain(), 300);
  coordinator_->Send(run);
  (void)Next<Partial>();
  SendToSecond(run.request_id, Adopt{});
  const Envelope farewell = Next<Final>();
  EXPECT_EQ(FinalOf(farewell).code, Code::kFailedPrecondition);
  EXPECT_EQ(farewell.attempt, 0u);
  EXPECT_EQ(TokensUntilFinal(*second_, 0), Expected(Plain(), 300));
}

TEST_F(Coordinators, OlderAttemptStopsNothing) {
  Envelope run = RunOf(Plain(), 300);
  run.attempt = kNewAttempt;
  second_->Send(run);
  (void)NextThat(*second_, [](const Envelope& envelope) {
    const auto* part = std::get_if<Partial>(&envelope.body);
    return part != nullptr && part->seq == 0;
  });
  coordinator_->Send({.request_id = run.request_id, .body = Cancel{}});
  run.attempt = 1;
  coordinator_->Send(run);
  const Envelope refused = Next<Final>();
  EXPECT_EQ(refused.attempt, 1u);
  EXPECT_EQ(FinalOf(refused).code, Code::kFailedPrecondition);
  EXPECT_THAT(FinalOf(refused).message, HasSubstr("attempt 65536"));
  EXPECT_THAT(TokensUntilFinal(*second_, 1), SizeIs(299));
}

// More parts than a link takes at once.
TEST_F(Coordinators, LongAnswerIsDeliveredAsFastAsTheLinkTakesIt) {
  const PlanMaker waits = Prompt();
  Envelope run = RunOf(Plain(), 1200), next = RunOf(waits);
  std::get<promptcache::Run>(run.body).options.samples = 2;  // all slots
  coordinator_->Send(run);
  coordinator_->Send(next);
  (void)Next<RecipeQuery>();
  SendRecipes(next.request_id, waits);
  network_.RunUntilIdle();
  // Nothing is delivered until the next request has begun: then the long one has ended.
  while (store_.Stats()->blobs == 0) std::this_thread::yield();
  step_ = milliseconds(1);
  const auto is_end_of_long_one = [&](const Envelope& envelope) {
    return envelope.request_id == run.request_id && std::holds_alternative<Final>(envelope.body);
  };
  const auto parts = [&](const FakeCoordinator& from) {
    std::vector<uint32_t> numbers;
    for (const Envelope& envelope : from.heard) {
      const auto* part = std::get_if<Partial>(&envelope.body);
      if (part != nullptr && envelope.request_id == run.request_id) numbers.push_back(part->seq);
    }
    return numbers;
  };
  std::vector<uint32_t> all(2400);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(FinalOf(NextThat(*coordinator_, is_end_of_long_one)).code, Code::kOk);
  EXPECT_EQ(parts(*coordinator_), all);
  SendToSecond(run.request_id, Adopt{});
  EXPECT_EQ(FinalOf(NextThat(*second_, is_end_of_long_one)).code, Code::kOk);
  EXPECT_EQ(parts(*second_), all);
}

TEST_F(Coordinators, RunGoesOnBehindWhatWasDelivered) {
  const auto expected = Expected(Plain(), 20);
  Envelope run = RunOf(Plain(), 20);
  auto& order = std::get<promptcache::Run>(run.body);
  order.delivered = {.parts = 7, .samples = {{expected.begin(), expected.begin() + 7}}};
  second_->Send(run);
  const auto rest = TokensUntilFinal(*second_, 7);
  EXPECT_EQ(rest, std::vector<TokenId>(expected.begin() + 7, expected.end()));
  EXPECT_EQ(Ask(run.request_id).parts, 20u);
  order.delivered.parts = 8;
  run.request_id = RequestId::Random();
  second_->Send(run);
  const Final refused = FinalOf(Next<Final>(*second_));
  EXPECT_EQ(refused.code, Code::kInvalidArgument);
  EXPECT_THAT(refused.message, HasSubstr("8 parts of together 7 tokens"));
}

TEST_F(Coordinators, RunThatWaitsForRecipesEndsWithItsCoordinator) {
  const PlanMaker prompt = Prompt();
  const Envelope run = RunOf(prompt);
  coordinator_->Send(run);
  (void)Next<RecipeQuery>();
  EXPECT_EQ(Ask(run.request_id).phase, RequestPhase::kRunning);
  LoseFirst();
  EXPECT_EQ(Ask(run.request_id).phase, RequestPhase::kUnknown);
  // The same attempt may begin: this one never did.
  second_->Send(run);
  EXPECT_THAT(std::get<RecipeQuery>(Next<RecipeQuery>(*second_).body).digests, SizeIs(1));
}

TEST_F(Coordinators, DrainingWorkerGoesOnWithWhatItHasAndTakesNothingElse) {
  const Envelope run = RunOf(Plain(), 300), other = RunOf(Plain());
  coordinator_->Send(run);
  (void)Next<Partial>();
  second_->heard.clear();
  const RequestId order = RequestId::Random();
  SendToSecond(order, DrainWorker{.worker = "w1", .change = DrainChange::kDrain});
  const Envelope done = Next<Reply>(*second_);
  EXPECT_EQ(done.request_id, order);
  EXPECT_EQ(std::get<Reply>(done.body).code, Code::kOk);
  EXPECT_TRUE(std::get<Heartbeat>(Next<Heartbeat>(*second_).body).draining);
  coordinator_->Send(other);
  const Envelope refused = Next<Final>();
  EXPECT_EQ(refused.request_id, other.request_id);
  EXPECT_EQ(FinalOf(refused).code, Code::kUnavailable);
  EXPECT_THAT(FinalOf(refused).message, HasSubstr("'w1' is draining"));
  EXPECT_EQ(Ask(other.request_id).phase, RequestPhase::kUnknown);
  // Another attempt of what it has is nothing new.
  Envelope again = run;
  again.attempt = kNewAttempt;
  second_->Send(again);
  EXPECT_EQ(TokensUntilFinal(*second_, 0), Expected(Plain(), 300));
  EXPECT_EQ(FinalOf(Next<Final>()).code, Code::kFailedPrecondition);  // to the one before
  SendToSecond(order, DrainWorker{.worker = "w1", .change = DrainChange::kResume});
  EXPECT_EQ(std::get<Reply>(Next<Reply>(*second_).body).code, Code::kOk);
  EXPECT_FALSE(std::get<Heartbeat>(Next<Heartbeat>(*second_).body).draining);
  second_->Send(other);
  EXPECT_EQ(TokensUntilFinal(*second_, 0), Expected(Plain(), 8));
}

TEST_F(Coordinators, OrderToDrainAnotherWorkerIsRefused) {
  SendToSecond(RequestId::Random(), DrainWorker{.worker = "w2"});
  const auto reply = std::get<Reply>(Next<Reply>(*second_).body);
  EXPECT_EQ(reply.code, Code::kInvalidArgument);
  EXPECT_THAT(reply.message, HasSubstr("'w1', not 'w2'"));
  second_->Send(RunOf(Plain()));
  EXPECT_EQ(FinalOf(Next<Final>(*second_)).code, Code::kOk);
}

TEST_F(Coordinators, NoneOrOneTwiceIsRefused) {
  for (const auto& endpoints :
       {std::vector<std::string>{}, std::vector<std::string>{kFirstEndpoint, kFirstEndpoint}}) {
    settings_.coordinator_endpoints = endpoints;
    const auto service =
        WorkerService::Start({.transport = &transport_, .model = model_}, settings_);
    ASSERT_FALSE(service.ok());
    EXPECT_EQ(service.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(service.status().message(), HasSubstr("worker.coordinator_endpoints"));
  }
}

}  // namespace
}  // namespace promptcache::testing
