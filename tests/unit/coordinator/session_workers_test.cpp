#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/session_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

TEST_F(SessionTest, WorkerLostBeforeTheFirstPartialMovesTheRequestToAnother) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Ready(kWorkerB);
  EXPECT_EQ(Words(table_.WorkerGone(kWorkerA, now())), "worker 12: run attempt 1");
  EXPECT_EQ(table_.counters().retries, 1u);
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerB, PartialOf(IdOf(1), 0, 1), now())),
            "client 1: partial 0");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerB, FinalOk(IdOf(1), 1), now())),
            "client 1: final ok");
}

TEST_F(SessionTest, WorkerLostAfterAPartialIsReplacedByOneThatGoesOnBehindIt) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Ready(kWorkerB);
  table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now());
  const auto actions = table_.WorkerGone(kWorkerA, now());
  EXPECT_EQ(Words(actions), "worker 12: run attempt 1");
  EXPECT_EQ(RunIn(actions).delivered, (Delivered{.parts = 1, .samples = {{7}}}));
  EXPECT_EQ(table_.counters().resumed, 1u);
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerB, PartialOf(IdOf(1), 0, 1), now())), "")
      << "shown already";
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerB, PartialOf(IdOf(1), 1, 1), now())),
            "client 1: partial 1");
}

TEST_F(SessionTest, LastWorkerLostLeavesTheRequestWaitingForTheNext) {
  Ready(kWorkerA);
  Start(IdOf(1));
  EXPECT_EQ(Words(table_.WorkerGone(kWorkerA, now())), "");
  clock_.Advance(milliseconds(9'999));
  EXPECT_EQ(Words(table_.Tick(now())), "");
  EXPECT_EQ(Words(Ready(kWorkerB)), "worker 12: run attempt 1");
}

TEST_F(SessionTest, RequestForMoreSlotsThanAreLeftWaitsForItsWorkerToComeBack) {
  Ready(kWorkerA, 16);
  Ready(kWorkerB, 4);
  Envelope submit = SubmitOf(IdOf(1));
  std::get<Submit>(submit.body).options.samples = 8;
  const auto submitted = table_.SubmitReceived({kClient}, submit, now());
  table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
  EXPECT_EQ(AssignedTo(kWorkerA), 8u);
  EXPECT_EQ(Words(table_.WorkerGone(kWorkerA, now())), "");
  EXPECT_EQ(Words(Ready(kWorkerB + 1, 4)), "") << "too small as well";
  EXPECT_EQ(Words(Ready(kWorkerA, 16)), "worker 11: run attempt 1");
}

TEST_F(SessionTest, RequestThatLosesWorkerAfterWorkerEndsAtTheLimit) {
  for (PeerId worker = 21; worker <= 24; ++worker) Ready(worker);
  Start(IdOf(1));
  Actions last;
  PeerId running = 0;
  for (int losses = 1; losses <= 3; ++losses) {
    running = 0;
    for (const auto& [peer, worker] : table_.workers().all()) {
      if (AssignedTo(peer) > 0) running = peer;
    }
    ASSERT_NE(running, 0u);
    last = table_.WorkerGone(running, now());
  }
  EXPECT_EQ(Words(last), "client 1: final unavailable");
  EXPECT_THAT(FinalIn(last, kClient).message,
              AllOf(HasSubstr("given to a worker 3 times"),
                    HasSubstr("worker 'w" + std::to_string(running) + "' was lost")));
  EXPECT_EQ(table_.active(), 0u);
  EXPECT_EQ(table_.workers().all().size(), 1u) << "one worker must be left for others";
}

TEST_F(SessionTest, WhatAWorkerSaysOfAFailureIsKeptShort) {
  const std::string essay(1 << 20, 'x');
  Envelope lost = FinalOk(IdOf(1));
  lost.body = Final{.code = Code::kDataLoss, .message = essay};
  Ready(kWorkerA);
  Start(IdOf(1));
  ASSERT_EQ(Words(table_.FinalReceived(kWorkerA, lost, now())),
            "worker 11: cancel attempt 0; worker 11: run attempt 1");
  Envelope failed = FinalOk(IdOf(1), 1);
  failed.body = Final{.code = Code::kInternal,
                      .message = essay,
                      .usage = {.units = {{.path = essay, .miss_reason = essay}}}};
  table_.FinalReceived(kWorkerA, failed, now());
  const auto report = table_.history().Find(IdOf(1), [](const auto&) { return true; });
  ASSERT_TRUE(report);
  EXPECT_LT(report->message.size(), 5'000u);
  EXPECT_LT(report->attempts.at(0).end.size(), 5'000u);
  EXPECT_LT(report->usage.units.at(0).path.size(), 5'000u);
  EXPECT_LT(report->usage.units.at(0).miss_reason.size(), 5'000u);
}

TEST_F(SessionTest, RequestsThatWaitForAWorkerAreGivenOutInTheOrderOfTheirArrival) {
  for (uint8_t n : {3, 1, 2}) Start(IdOf(n));
  const auto actions = Ready(kWorkerA);
  std::vector<RequestId> order;
  for (const Action& action : actions) {
    order.push_back(std::get<SendAction>(action).envelope.request_id);
  }
  EXPECT_EQ(order, (std::vector<RequestId>{IdOf(3), IdOf(1), IdOf(2)}));
}

TEST_F(SessionTest, WithoutAnyWorkerARequestEndsWithAnExplanationAfterTheWait) {
  EXPECT_EQ(Words(Start(IdOf(1))), "client 1: accepted");
  clock_.Advance(seconds(10));
  const auto actions = table_.Tick(now());
  EXPECT_EQ(FinalIn(actions, kClient).code, Code::kUnavailable);
  EXPECT_THAT(FinalIn(actions, kClient).message, HasSubstr("no worker is connected"));
  EXPECT_EQ(table_.active(), 0u);
}

TEST_F(SessionTest, AnswersOfAnotherWorkerAttemptOrRequestAreCountedAndDropped) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Ready(kWorkerB);
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerB, PartialOf(IdOf(1), 0), now())), "");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0, 7), now())), "");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(9), 0), now())), "");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerB, FinalOk(IdOf(1)), now())), "");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1), 7), now())), "");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(9)), now())), "");
  EXPECT_EQ(table_.counters().unexpected, 6u);
  EXPECT_EQ(table_.active(), 1u);
}

TEST_F(SessionTest, LeftoversOfALostAttemptAreDroppedWhenTheWorkerComesBackAsTheSamePeer) {
  Ready(kWorkerA);
  Start(IdOf(1));
  table_.WorkerGone(kWorkerA, now());
  EXPECT_EQ(Words(Ready(kWorkerA)), "worker 11: run attempt 1");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0, 0), now())), "");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0, 1), now())),
            "client 1: partial 0");
}

TEST_F(SessionTest, AnswersForARequestThatIsStillPlannedAreDropped) {
  Ready(kWorkerA);
  table_.SubmitReceived({kClient}, SubmitOf(IdOf(1)), now());
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now())), "");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now())), "");
  EXPECT_EQ(table_.active(), 1u);
}

TEST_F(SessionTest, RepeatedPartialIsDeliveredOnce) {
  Ready(kWorkerA);
  Start(IdOf(1));
  table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now());
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now())), "");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 1), now())),
            "client 1: partial 1");
}

TEST_F(SessionTest, MissingPartialIsAskedForInsteadOfLeavingAHoleInTheText) {
  Ready(kWorkerA);
  Start(IdOf(1));
  table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now());
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 2), now())),
            "worker 11: adopt attempt 1 from 1");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now())), "")
      << "of the attempt before";
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 1, 1), now())),
            "client 1: partial 1");
}

TEST_F(SessionTest, PartsThatAreLostAgainAndAgainEndTheRequest) {
  Ready(kWorkerA);
  Start(IdOf(1));
  for (uint32_t attempt = 0; attempt < 3; ++attempt) {
    EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 1, attempt), now())),
              "worker 11: adopt attempt " + std::to_string(attempt + 1) + " from 0");
  }
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 1, 3), now())),
            "worker 11: cancel attempt 3; client 1: final data loss");
}

// Worker A has a request for four tokens.
class SessionAnswerSize : public SessionTest {
 protected:
  SessionAnswerSize() {
    Ready(kWorkerA);
    Envelope submit = SubmitOf(IdOf(1));
    std::get<Submit>(submit.body).options.max_new_tokens = 4;
    const auto submitted = table_.SubmitReceived({kClient}, submit, now());
    table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
  }
};

TEST_F(SessionAnswerSize, MoreTokensThanWereAskedForAreNotTakenAndTheRequestRunsAgain) {
  const auto partial = [](uint32_t seq, size_t tokens) {
    Envelope envelope = PartialOf(IdOf(1), seq);
    std::get<Partial>(envelope.body).tokens.assign(tokens, 7);
    return envelope;
  };
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, partial(0, 3), now())), "client 1: partial 0");
  const auto actions = table_.PartialReceived(kWorkerA, partial(1, 2), now());
  EXPECT_EQ(Words(actions), "worker 11: cancel attempt 0; worker 11: run attempt 1");
  EXPECT_EQ(RunIn(actions).delivered, (Delivered{.parts = 1, .samples = {{7, 7, 7}}}));
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 1, 1), now())),
            "client 1: partial 1")
      << "the fourth";
}

TEST_F(SessionAnswerSize, TextWithoutEndIsNotTakenAndTheRequestRunsAgain) {
  Envelope partial = PartialOf(IdOf(1), 0);
  std::get<Partial>(partial.body).text.assign(4096, 'a');
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, partial, now())), "client 1: partial 0");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 1), now())),
            "worker 11: cancel attempt 0; worker 11: run attempt 1");
}

TEST_F(SessionTest, RequestThatWaitedIsGivenUnderTheIdentityOfANewWorker) {
  WorkerReady other = ReadyWorker();
  other.identity.weights = "other";
  Ready(kWorkerA);
  table_.WorkerGone(kWorkerA, now());
  Start(IdOf(1));
  table_.WorkerIsReady(kWorkerB, "w12", other, {}, now());
  EXPECT_EQ(Words(table_.ResidencyReceived(kWorkerB, {.seq = 1, .snapshot = true}, now())),
            "worker 12: run attempt 0");
  table_.PartialReceived(kWorkerB, PartialOf(IdOf(1), 0), now());
  EXPECT_TRUE(Holds(kWorkerB, KeyOf(other, 5)));
}

TEST_F(SessionTest, FailureOfTheWorkerReachesTheClientWithItsUsage) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Envelope final = FinalOk(IdOf(1));
  final.body = Final{
      .code = Code::kResourceExhausted, .message = "no memory", .usage = {.prompt_tokens = 10}};
  const Final seen = FinalIn(table_.FinalReceived(kWorkerA, final, now()), kClient);
  EXPECT_EQ(seen.code, Code::kResourceExhausted);
  EXPECT_EQ(seen.message, "no memory");
  EXPECT_EQ(seen.usage.prompt_tokens, 10u);
  EXPECT_EQ(table_.counters().failed, 1u);
}

TEST_F(SessionTest, WorkerThatWasNeverReadyMayGo) {
  EXPECT_EQ(Words(table_.WorkerGone(kWorkerA, now())), "");
  table_.HeartbeatReceived(kWorkerA, {}, now());
  EXPECT_TRUE(table_.workers().all().empty());
}

// ---- residency ----

TEST_F(SessionTest, RequestGoesWhereItsUnitIsResident) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  for (const PeerId holder : {kWorkerA, kWorkerB}) {
    table_.ResidencyReceived(holder == kWorkerA ? kWorkerB : kWorkerA, {.seq = 2, .snapshot = true},
                             now());
    table_.ResidencyReceived(
        holder, {.seq = 2, .snapshot = true, .added = {KeyOf(ReadyWorker(), 5)}}, now());
    const RequestId id = IdOf(static_cast<uint8_t>(holder));
    EXPECT_EQ(Words(Start(id)),
              "client 1: accepted; worker " + std::to_string(holder) + ": run attempt 0");
    table_.FinalReceived(holder, FinalOk(id), now());
  }
}

TEST_F(SessionTest, ResidencyFollowsDeltasInSequence) {
  Ready(kWorkerA);
  table_.ResidencyReceived(kWorkerA, {.seq = 4, .snapshot = true, .added = {RecipeOf(1)}}, now());
  table_.ResidencyReceived(kWorkerA, {.seq = 5, .added = {RecipeOf(2)}}, now());
  table_.ResidencyReceived(kWorkerA, {.seq = 6, .removed = {RecipeOf(1)}}, now());
  EXPECT_FALSE(Holds(kWorkerA, RecipeOf(1)));
  EXPECT_TRUE(Holds(kWorkerA, RecipeOf(2)));
}

TEST_F(SessionTest, GapInResidencyAsksForOneSnapshotAndIgnoresDeltasUntilThen) {
  Ready(kWorkerA);
  table_.ResidencyReceived(kWorkerA, {.seq = 1, .snapshot = true, .added = {RecipeOf(1)}}, now());
  EXPECT_EQ(Words(table_.ResidencyReceived(kWorkerA, {.seq = 3, .added = {RecipeOf(3)}}, now())),
            "worker 11: resync");
  EXPECT_EQ(Words(table_.ResidencyReceived(kWorkerA, {.seq = 4, .added = {RecipeOf(4)}}, now())),
            "");
  EXPECT_TRUE(Holds(kWorkerA, RecipeOf(1)));
  EXPECT_FALSE(Holds(kWorkerA, RecipeOf(4)));
  table_.ResidencyReceived(kWorkerA, {.seq = 5, .snapshot = true, .added = {RecipeOf(5)}}, now());
  table_.ResidencyReceived(kWorkerA, {.seq = 6, .added = {RecipeOf(6)}}, now());
  EXPECT_FALSE(Holds(kWorkerA, RecipeOf(1)));
  EXPECT_TRUE(Holds(kWorkerA, RecipeOf(5)));
  EXPECT_TRUE(Holds(kWorkerA, RecipeOf(6)));
}

TEST_F(SessionTest, ResidencyBeyondTheLimitIsNotRemembered) {
  Ready(kWorkerA);
  table_.ResidencyReceived(
      kWorkerA, {.seq = 1, .snapshot = true, .added = {RecipeOf(1), RecipeOf(2)}}, now());
  table_.ResidencyReceived(kWorkerA, {.seq = 2, .added = {RecipeOf(3), RecipeOf(4)}}, now());
  EXPECT_FALSE(Holds(kWorkerA, RecipeOf(4)));
  table_.ResidencyReceived(kWorkerA, {.seq = 3, .added = {RecipeOf(4)}, .removed = {RecipeOf(1)}},
                           now());
  EXPECT_TRUE(Holds(kWorkerA, RecipeOf(4)));
}

TEST_F(SessionTest, AWorkerGetsRequestsWhenItsFirstSnapshotHasCome) {
  table_.WorkerIsReady(kWorkerA, "w11", ReadyWorker(), {}, now());
  EXPECT_EQ(Words(table_.ResidencyReceived(kWorkerA, {.seq = 1, .added = {RecipeOf(1)}}, now())),
            "")
      << "a delta of nothing known";
  EXPECT_EQ(Words(Start(IdOf(1))), "client 1: accepted");
  EXPECT_EQ(Words(table_.ResidencyReceived(kWorkerA, {.seq = 2, .snapshot = true}, now())),
            "worker 11: run attempt 0");
  EXPECT_FALSE(Holds(kWorkerA, RecipeOf(1)));
}

// The keys' first bytes, little-endian, exclusive-or-ed.
uint64_t DigestOf(std::initializer_list<uint8_t> recipes) {
  uint64_t digest = 0;
  for (const uint8_t n : recipes) digest ^= n * 0x0101010101010101;
  return digest;
}

TEST_F(SessionTest, AnotherDigestThanThatOfTheDeltasAsksForOneSnapshot) {
  Ready(kWorkerA);
  table_.ResidencyReceived(
      kWorkerA, {.seq = 2, .snapshot = true, .added = {RecipeOf(1), RecipeOf(2)}}, now());
  table_.ResidencyReceived(kWorkerA, {.seq = 3, .removed = {RecipeOf(1)}}, now());
  Heartbeat said{.residency_seq = 3, .residency_digest = DigestOf({2})};
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, said, now())), "");
  said.residency_digest = DigestOf({2, 3});
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, said, now())), "worker 11: resync");
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, said, now())), "") << "it is on its way";
  clock_.Advance(seconds(1));
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, said, now())), "worker 11: resync")
      << "or was lost";
}

TEST_F(SessionTest, AHeartbeatThatKnowsOfALaterDeltaAsksForASnapshot) {
  Ready(kWorkerA);
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, {.residency_seq = 1}, now())), "");
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, {.residency_seq = 2}, now())),
            "worker 11: resync");
}

TEST_F(SessionTest, ResidencyOfAnUnknownWorkerIsIgnored) {
  EXPECT_EQ(Words(table_.ResidencyReceived(kWorkerA, {.seq = 1, .snapshot = true}, now())), "");
  EXPECT_TRUE(table_.workers().all().empty());
}

TEST_F(SessionTest, HeartbeatIsKeptForTheStatus) {
  Ready(kWorkerA);
  table_.HeartbeatReceived(kWorkerA, {.active = 3, .queued = 4}, now());
  EXPECT_EQ(table_.workers().all().at(kWorkerA).heartbeat.queued, 4u);
}

}  // namespace
}  // namespace promptcache::testing
