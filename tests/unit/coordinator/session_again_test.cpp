// Requests that their client sends again, because it has lost the coordinator that had them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/session_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kAgain = 65'536;  // the attempt of a client's second sending

class SessionAgainTest : public SessionTest {
 protected:
  // Long after the coordinator came up.
  void SetUp() override { clock_.Advance(seconds(60)); }

  Envelope Again(const RequestId& id, uint32_t parts = 0, uint32_t attempt = kAgain) const {
    Submit submit{.prompt = "p", .tried = {"ipc://lost"}};
    submit.delivered.parts = parts;
    if (parts > 0) submit.delivered.samples = {std::vector<TokenId>(parts, 7)};
    return {.request_id = id, .attempt = attempt, .body = submit};
  }
  Actions StartAgain(const RequestId& id, uint32_t parts = 0) {
    const auto submitted = table_.SubmitReceived({kClient}, Again(id, parts), now());
    return table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
  }
  Actions Says(PeerId worker, const RequestId& id, RequestState state) {
    return table_.RequestStateReceived(worker, {.request_id = id, .body = state}, now());
  }
};

TEST_F(SessionAgainTest, AllWorkersAreAskedBeforeOneGetsIt) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  EXPECT_EQ(Words(StartAgain(IdOf(1))),
            "client 1: accepted; worker 11: query attempt 65536; worker 12: query attempt 65536");
  EXPECT_EQ(Words(Says(kWorkerA, IdOf(1), {})), "");
  EXPECT_THAT(Words(Says(kWorkerB, IdOf(1), {})), ::testing::EndsWith("run attempt 65536"));
}

TEST_F(SessionAgainTest, ItIsCountedAsOneRequest) {
  Ready(kWorkerA);
  Start(IdOf(1));
  const auto again = table_.SubmitReceived({kOther}, Again(IdOf(1)), now());
  table_.Planned(TicketIn(again), PlanOfUnit(5), now());
  Says(kWorkerA, IdOf(1), {});
  table_.FinalReceived(kWorkerA, FinalOk(IdOf(1), kAgain), now());
  EXPECT_EQ(table_.counters().accepted, 1u);
  EXPECT_EQ(table_.counters().failed, 0u);
  EXPECT_EQ(table_.active(), 0u);
  EXPECT_EQ(table_.active(""), 0u);
}

TEST_F(SessionAgainTest, TheWorkerThatRunsItGoesOnBehindWhatTheClientHas) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  StartAgain(IdOf(1), 2);
  Says(kWorkerA, IdOf(1), {});
  const RequestState running{.phase = RequestPhase::kRunning, .attempt = 1, .parts = 4};
  EXPECT_EQ(Words(Says(kWorkerB, IdOf(1), running)), "worker 12: adopt attempt 65536 from 2");
  EXPECT_EQ(table_.counters().resumed, 1u);
  EXPECT_EQ(AssignedTo(kWorkerB), 1u);
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerB, PartialOf(IdOf(1), 2, kAgain), now())),
            "client 1: partial 2");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerB, FinalOk(IdOf(1), kAgain), now())),
            "client 1: final ok");
  EXPECT_EQ(AssignedTo(kWorkerB), 0u);
}

TEST_F(SessionAgainTest, OfTwoWorkersTheOneThatWasGivenItLastGoesOnAndTheOtherStops) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  StartAgain(IdOf(1));
  Says(kWorkerA, IdOf(1), {.phase = RequestPhase::kRunning, .attempt = 0, .parts = 9});
  EXPECT_EQ(
      Words(Says(kWorkerB, IdOf(1), {.phase = RequestPhase::kRunning, .attempt = 1, .parts = 1})),
      "worker 11: cancel attempt 65536; worker 12: adopt attempt 65536 from 0");
}

TEST_F(SessionAgainTest, TheWorkerIsToldWhatWasDelivered) {
  Ready(kWorkerA);
  StartAgain(IdOf(1), 3);
  const auto actions =
      Says(kWorkerA, IdOf(1), {.phase = RequestPhase::kRunning, .attempt = 0, .parts = 2});
  const auto& adopt = std::get<Adopt>(std::get<SendAction>(actions.at(0)).envelope.body);
  EXPECT_EQ(adopt.delivered, (Delivered{.parts = 3, .samples = {{7, 7, 7}}}));
}

TEST_F(SessionAgainTest, TheAttemptIsAlwaysYoungerThanTheWorkers) {
  Ready(kWorkerA);
  StartAgain(IdOf(1));
  const RequestState state{.phase = RequestPhase::kRunning, .attempt = kAgain + 5, .parts = 0};
  EXPECT_EQ(Words(Says(kWorkerA, IdOf(1), state)), "worker 11: adopt attempt 65542 from 0");
}

TEST_F(SessionAgainTest, WhatItsClientHasSentElsewhereSinceIsNotTakenFromThere) {
  Ready(kWorkerA);
  StartAgain(IdOf(1));
  const RequestState state{.phase = RequestPhase::kRunning, .attempt = 2 * kAgain, .parts = 4};
  EXPECT_EQ(Words(Says(kWorkerA, IdOf(1), state)), "client 1: final unavailable");
  EXPECT_EQ(table_.active(), 0u);
}

TEST_F(SessionAgainTest, AnswerThatHasEndedIsReplayed) {
  Ready(kWorkerA);
  StartAgain(IdOf(1), 1);
  const RequestState ended{.phase = RequestPhase::kEnded, .attempt = 0, .parts = 2};
  EXPECT_EQ(Words(Says(kWorkerA, IdOf(1), ended)), "worker 11: adopt attempt 65536 from 1");
}

TEST_F(SessionAgainTest, WhereTheWorkersAnswerIsAnotherOneItIsStoppedAndTheRestComputedAnew) {
  Ready(kWorkerA);
  StartAgain(IdOf(1), 1);
  Says(kWorkerA, IdOf(1), {.phase = RequestPhase::kRunning, .attempt = 0, .parts = 2});
  Envelope other = FinalOk(IdOf(1), kAgain);
  other.body = Final{.code = Code::kNotFound, .message = "other tokens are here"};
  const auto actions = table_.FinalReceived(kWorkerA, other, now());
  EXPECT_EQ(Words(actions), "worker 11: cancel attempt 65536; worker 11: run attempt 65537");
  EXPECT_EQ(RunIn(actions).delivered, (Delivered{.parts = 1, .samples = {{7}}}));
}

TEST_F(SessionAgainTest, ASilentWorkerIsNotWaitedForLong) {
  Ready(kWorkerA);
  StartAgain(IdOf(1));
  clock_.Advance(milliseconds(999));
  EXPECT_EQ(Words(table_.Tick(now())), "");
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(Words(table_.Tick(now())), "worker 11: run attempt 65536");
  EXPECT_EQ(Words(Says(kWorkerA, IdOf(1), {})), "");
  EXPECT_EQ(table_.counters().unexpected, 1u);
}

TEST_F(SessionAgainTest, AWorkerThatIsLostIsNotWaitedFor) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  StartAgain(IdOf(1));
  Says(kWorkerB, IdOf(1), {});
  EXPECT_EQ(Words(table_.WorkerGone(kWorkerA, now())), "worker 12: run attempt 65536");
}

TEST_F(SessionAgainTest, AWorkerThatHasAnsweredAndIsLostIsNotChosen) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  StartAgain(IdOf(1));
  Says(kWorkerA, IdOf(1), {.phase = RequestPhase::kRunning, .attempt = 0, .parts = 1});
  table_.WorkerGone(kWorkerA, now());
  EXPECT_EQ(Words(Says(kWorkerB, IdOf(1), {})), "worker 12: run attempt 65536");
}

TEST_F(SessionAgainTest, AWorkerThatComesIsAskedForWhatWaits) {
  StartAgain(IdOf(1));
  auto actions = table_.WorkerIsReady(kWorkerA, "w11", ReadyWorker(), {}, now());
  EXPECT_EQ(Words(actions), "worker 11: query attempt 65536");
  Append(actions, table_.ResidencyReceived(kWorkerA, {.seq = 1, .snapshot = true}, now()));
  EXPECT_EQ(
      Words(Says(kWorkerA, IdOf(1), {.phase = RequestPhase::kRunning, .attempt = 0, .parts = 1})),
      "worker 11: adopt attempt 65536 from 0");
}

TEST_F(SessionAgainTest, TheSameClientOnANewLinkTakesItsRequestWithIt) {
  Ready(kWorkerA);
  Start(IdOf(1));
  table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now());
  const auto submitted = table_.SubmitReceived({kOther}, Again(IdOf(1), 1), now());
  EXPECT_EQ(Words(submitted), "plan") << "the worker goes on";
  EXPECT_EQ(Words(table_.Planned(TicketIn(submitted), PlanOfUnit(5), now())),
            "client 2: accepted; worker 11: query attempt 65536");
  EXPECT_EQ(Words(table_.ClientGone(kClient, now())), "") << "the old link has nothing any more";
  EXPECT_EQ(
      Words(Says(kWorkerA, IdOf(1), {.phase = RequestPhase::kRunning, .attempt = 0, .parts = 1})),
      "worker 11: adopt attempt 65536 from 1");
}

TEST_F(SessionAgainTest, SomebodyElsesRequestCannotBeTaken) {
  Ready(kWorkerA);
  Start(IdOf(1));
  const Submitter thief{.peer = kOther, .name = "thief"};
  EXPECT_EQ(FinalIn(table_.SubmitReceived(thief, Again(IdOf(1)), now()), kOther).code,
            Code::kAlreadyExists);
  EXPECT_EQ(FinalIn(table_.SubmitReceived({kOther}, Again(IdOf(1), 0, 0), now()), kOther).code,
            Code::kAlreadyExists)
      << "no younger attempt";
}

TEST_F(SessionAgainTest, WhatWasAcceptedElsewhereIsNotTurnedAwayAtTheLimit) {
  for (uint8_t n = 1; n <= 3; ++n) Start(IdOf(n));
  EXPECT_EQ(FinalIn(table_.SubmitReceived({kClient}, SubmitOf(IdOf(4)), now()), kClient).code,
            Code::kBusy);
  EXPECT_EQ(Words(table_.SubmitReceived({kClient}, Again(IdOf(5)), now())), "plan");
}

TEST_F(SessionAgainTest, WhatEndsBeforeItIsFoundIsStoppedAtAllWorkers) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  StartAgain(IdOf(1));
  EXPECT_EQ(Words(table_.CancelReceived({kClient}, IdOf(1), now())),
            "worker 11: cancel attempt 65536; worker 12: cancel attempt 65536; "
            "client 1: final cancelled");
}

TEST_F(SessionAgainTest, TenantsDoNotKnowEachOthersIds) {
  Ready(kWorkerA);
  Start(IdOf(1));
  const Submitter stranger{.peer = kOther, .tenant = "else"};
  const auto submitted = table_.SubmitReceived(stranger, Again(IdOf(1)), now());
  const auto asked = table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
  const auto& query = std::get<SendAction>(asked.at(1)).envelope;
  EXPECT_NE(query.request_id, IdOf(1)) << "what a worker has of another tenant is not asked for";
  EXPECT_EQ(std::get<SendAction>(asked.at(0)).envelope.request_id, IdOf(1)) << "its own id";
  EXPECT_EQ(table_.active(), 2u);
}

TEST_F(SessionAgainTest, NorDoClientsThatHaveKeys) {
  Ready(kWorkerA);
  const Submitter owner{.peer = kClient, .name = "ann", .tenant = "acme", .key = "ann"};
  const Submitter thief{.peer = kOther, .name = "bob", .tenant = "acme", .key = "bob"};
  const auto id_at_workers = [&](const Submitter& client) {
    const auto submitted = table_.SubmitReceived(client, Again(IdOf(1)), now());
    const auto asked = table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
    return std::get<SendAction>(asked.at(1)).envelope.request_id;
  };
  const RequestId of_owner = id_at_workers(owner);
  EXPECT_NE(id_at_workers(thief), of_owner) << "an answer that has ended is not asked for either";
  table_.ClientGone(kClient, now());
  EXPECT_EQ(id_at_workers(owner), of_owner) << "wherever the owner comes back";
}

TEST_F(SessionAgainTest, AnAttemptThatIsRefusedEndsWhatTheOneBeforeRuns) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Envelope bad = Again(IdOf(1));
  std::get<Submit>(bad.body).options.temperature = 1'000;
  EXPECT_EQ(Words(table_.SubmitReceived({kOther}, bad, now())),
            "worker 11: cancel attempt 0; client 2: final invalid argument");
  EXPECT_EQ(table_.active(), 0u);
}

TEST_F(SessionAgainTest, MoreThanCanHaveBeenDeliveredIsRefused) {
  const auto refusal = [&](auto change) {
    Envelope envelope = Again(IdOf(1), 1);
    change(std::get<Submit>(envelope.body));
    return FinalIn(table_.SubmitReceived({kClient}, envelope, now()), kClient).code;
  };
  EXPECT_EQ(refusal([](Submit& submit) {
              submit.delivered.samples = {std::vector<TokenId>(submit.options.max_new_tokens + 1)};
            }),
            Code::kInvalidArgument);
  EXPECT_EQ(refusal([](Submit& submit) { submit.delivered.parts = 2; }), Code::kInvalidArgument);
  EXPECT_EQ(refusal([](Submit& submit) { submit.tried.resize(65); }), Code::kInvalidArgument);
}

TEST_F(SessionAgainTest, MoreDeliveredSamplesThanAskedForAreRefused) {
  Envelope envelope = Again(IdOf(1), 1);
  std::get<Submit>(envelope.body).delivered.samples = {{7}, {7}};
  EXPECT_EQ(FinalIn(table_.SubmitReceived({kClient}, envelope, now()), kClient).code,
            Code::kInvalidArgument);
}

// ---- a coordinator that was there before ----

class RestartedTest : public SessionAgainTest {
 protected:
  void SetUp() override {}
};

TEST_F(RestartedTest, WaitsForWorkersThatMayRunWhatIsSentAgain) {
  Ready(kWorkerA);
  StartAgain(IdOf(1));
  EXPECT_EQ(Words(Says(kWorkerA, IdOf(1), {})), "") << "another worker may have it";
  EXPECT_EQ(Words(table_.WorkerIsReady(kWorkerB, "w12", ReadyWorker(), {}, now())),
            "worker 12: query attempt 65536");
  Says(kWorkerB, IdOf(1), {});
  clock_.Advance(milliseconds(2'500));
  EXPECT_THAT(Words(table_.Tick(now())), ::testing::HasSubstr("run attempt 65536"));
}

TEST_F(RestartedTest, LearnsWhoHoldsWhatBeforeItRoutesCold) {
  Ready(kWorkerA);
  table_.ResidencyReceived(kWorkerA, {.seq = 2, .snapshot = true, .added = {RecipeOf(9)}}, now());
  EXPECT_EQ(Words(Start(IdOf(1))), "client 1: accepted");
  table_.WorkerIsReady(kWorkerB, "w12", ReadyWorker(), {}, now());
  EXPECT_EQ(Words(table_.ResidencyReceived(
                kWorkerB, {.seq = 1, .snapshot = true, .added = {KeyOf(ReadyWorker(), 5)}}, now())),
            "worker 12: run attempt 0");
}

TEST_F(RestartedTest, RoutesColdWhenNobodyWasThereBefore) {
  Ready(kWorkerA);
  EXPECT_EQ(Words(Start(IdOf(1))), "client 1: accepted; worker 11: run attempt 0");
}

}  // namespace
}  // namespace promptcache::testing
