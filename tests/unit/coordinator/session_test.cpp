#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/wire/traceparent.h"
#include "tests/unit/coordinator/session_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

Envelope Asking(uint32_t samples) {
  Envelope submit = SubmitOf(IdOf(1));
  std::get<Submit>(submit.body).options.samples = samples;
  return submit;
}

TEST_F(SessionTest, RequestIsPlannedAcceptedRunStreamedAndEnded) {
  Ready(kWorkerA);
  const auto submitted = table_.SubmitReceived({kClient}, SubmitOf(IdOf(1)), now());
  EXPECT_EQ(Words(submitted), "plan");
  EXPECT_EQ(Words(table_.Planned(TicketIn(submitted), PlanOfUnit(5), now())),
            "client 1: accepted; worker 11: run attempt 0");
  EXPECT_EQ(AssignedTo(kWorkerA), 1u);
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now())),
            "client 1: partial 0");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 1), now())),
            "client 1: partial 1");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now())), "client 1: final ok");
  EXPECT_EQ(table_.active(), 0u);
  EXPECT_EQ(AssignedTo(kWorkerA), 0u);
  EXPECT_EQ(table_.counters().accepted, 1u);
  EXPECT_EQ(table_.counters().failed, 0u);
}

TEST_F(SessionTest, AcceptedNamesTheSchemaAndCountsThePromptsTokens) {
  const auto actions = Start(IdOf(1));
  const auto& send = std::get<SendAction>(actions.front());
  EXPECT_EQ(std::get<Accepted>(send.envelope.body),
            (Accepted{.schema = "s", .version = "v", .prompt_tokens = 10}));
}

TEST_F(SessionTest, RunCarriesPlanOptionsTraceAndTheTimeThatIsLeft) {
  Ready(kWorkerA);
  Envelope submit = SubmitOf(IdOf(1), 5'000);
  submit.trace = "00-trace";
  std::get<Submit>(submit.body).options.max_new_tokens = 17;
  const auto ticket = TicketIn(table_.SubmitReceived({kClient}, submit, now()));
  clock_.Advance(seconds(2));
  const auto actions = table_.Planned(ticket, PlanOfUnit(5), now());
  const auto& send = std::get<SendAction>(actions.at(1));
  EXPECT_EQ(send.envelope.timeout_ms, 3'000u);
  EXPECT_EQ(send.envelope.trace, "00-trace");
  EXPECT_EQ(RunIn(actions).plan, PlanOfUnit(5).plan);
  EXPECT_EQ(RunIn(actions).options.max_new_tokens, 17u);
  EXPECT_EQ(RunIn(actions).schema, PlanOfUnit(5).schema);
  EXPECT_EQ(RunIn(actions).version, PlanOfUnit(5).version);
}

TEST_F(SessionTest, ARequestWithoutATraceGetsOneOfItsId) {
  Ready(kWorkerA);
  for (const Action& action : Start(IdOf(1))) {
    EXPECT_EQ(std::get<SendAction>(action).envelope.trace, TraceparentOf(IdOf(1)));
  }
}

TEST_F(SessionTest, FailedPlanEndsTheRequestWithItsStatusAndIsNotAccepted) {
  const auto ticket = TicketIn(table_.SubmitReceived({kClient}, SubmitOf(IdOf(1)), now()));
  const Final final = FinalIn(table_.Planned(ticket, NotFound("no such schema"), now()), kClient);
  EXPECT_EQ(final.code, Code::kNotFound);
  EXPECT_EQ(final.message, "no such schema");
  EXPECT_EQ(table_.active(), 0u);
  EXPECT_EQ(table_.counters().accepted, 0u);
  EXPECT_EQ(table_.counters().failed, 1u);
}

TEST_F(SessionTest, RequestWithoutIdIsRefused) {
  const auto actions = table_.SubmitReceived({kClient}, SubmitOf({}), now());
  EXPECT_EQ(FinalIn(actions, kClient).code, Code::kInvalidArgument);
}

TEST_F(SessionTest, BadOptionsAreRefusedBeforePlanning) {
  Envelope submit = SubmitOf(IdOf(1));
  std::get<Submit>(submit.body).options.temperature = -1;
  const auto actions = table_.SubmitReceived({kClient}, submit, now());
  EXPECT_EQ(Words(actions), "client 1: final invalid argument");
  EXPECT_EQ(table_.active(), 0u);
}

TEST_F(SessionTest, BadSamplesAndLogprobsAreRefusedBeforePlanning) {
  for (const GenerationOptions& options :
       {GenerationOptions{.samples = 0}, GenerationOptions{.samples = 65},
        GenerationOptions{.samples = 0xffffffff}, GenerationOptions{.logprobs = 21}}) {
    Envelope submit = SubmitOf(IdOf(1));
    std::get<Submit>(submit.body).options = options;
    EXPECT_EQ(Words(table_.SubmitReceived({kClient}, submit, now())),
              "client 1: final invalid argument");
  }
}

TEST_F(SessionTest, SamplesThatNoWorkerCanRunAreRefusedBeforePlanning) {
  Ready(kWorkerA, 2);
  Ready(kWorkerB, 3);
  const auto actions = table_.SubmitReceived({kClient}, Asking(4), now());
  const Final final = FinalIn(actions, kClient);
  EXPECT_EQ(final.code, Code::kResourceExhausted);
  EXPECT_THAT(final.message, AllOf(HasSubstr("4 samples"), HasSubstr("has 3")));
  EXPECT_EQ(Words(table_.SubmitReceived({kClient}, Asking(3), now())), "plan");
}

TEST_F(SessionTest, SamplesTakeSlotsOfTheirWorkerAndLeaveThemTogether) {
  Ready(kWorkerA, 4);
  const auto ticket = TicketIn(table_.SubmitReceived({kClient}, Asking(3), now()));
  const auto actions = table_.Planned(ticket, PlanOfUnit(5), now());
  EXPECT_EQ(RunIn(actions).options.samples, 3u);
  EXPECT_EQ(AssignedTo(kWorkerA), 3u);
  Start(IdOf(2));
  EXPECT_EQ(AssignedTo(kWorkerA), 4u);
  table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now());
  EXPECT_EQ(AssignedTo(kWorkerA), 1u);
}

TEST_F(SessionTest, SamplesThatWaitedForAWorkerEndWhenItHasTooFewSlots) {
  const auto ticket = TicketIn(table_.SubmitReceived({kClient}, Asking(8), now()));
  EXPECT_EQ(Words(table_.Planned(ticket, PlanOfUnit(5), now())), "client 1: accepted");
  EXPECT_EQ(Words(Ready(kWorkerA, 4)), "client 1: final resource exhausted");
  EXPECT_EQ(table_.active(), 0u);
}

TEST_F(SessionTest, RequestBeyondTheLimitIsRefusedAsBusyAndOthersGoOn) {
  for (uint8_t n = 1; n <= 3; ++n) Start(IdOf(n));
  const auto actions = table_.SubmitReceived({kClient}, SubmitOf(IdOf(4)), now());
  const Final final = FinalIn(actions, kClient);
  EXPECT_EQ(final.code, Code::kBusy);
  EXPECT_THAT(final.message, HasSubstr("3 requests are active"));
  EXPECT_EQ(table_.active(), 3u);
  table_.CancelReceived({kClient}, IdOf(2), now());
  EXPECT_EQ(Words(table_.SubmitReceived({kClient}, SubmitOf(IdOf(4)), now())), "plan");
}

TEST_F(SessionTest, SameIdFromTheSameClientDoesNotDisturbTheRunningRequest) {
  Ready(kWorkerA);
  Start(IdOf(1));
  EXPECT_EQ(Words(table_.SubmitReceived({kClient}, SubmitOf(IdOf(1)), now())), "");
  EXPECT_EQ(table_.counters().unexpected, 1u);
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now())), "client 1: final ok");
}

TEST_F(SessionTest, SameIdFromAnotherClientIsRefusedAndTheFirstGoesOn) {
  Ready(kWorkerA);
  Start(IdOf(1));
  EXPECT_EQ(Words(table_.SubmitReceived({kOther}, SubmitOf(IdOf(1)), now())),
            "client 2: final already exists");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now())), "client 1: final ok");
}

TEST_F(SessionTest, PlanOfAnEndedRequestIsNotUsedForTheNextOneWithItsId) {
  Ready(kWorkerA);
  const auto first = TicketIn(table_.SubmitReceived({kClient}, SubmitOf(IdOf(1)), now()));
  table_.CancelReceived({kClient}, IdOf(1), now());
  const auto second = TicketIn(table_.SubmitReceived({kClient}, SubmitOf(IdOf(1)), now()));
  EXPECT_FALSE(table_.WaitsFor(first));
  EXPECT_EQ(Words(table_.Planned(first, PlanOfUnit(66), now())), "");
  const auto actions = table_.Planned(second, PlanOfUnit(5), now());
  EXPECT_EQ(RunIn(actions).plan, PlanOfUnit(5).plan);
}

TEST_F(SessionTest, SecondPlanForOneTicketIsIgnored) {
  Ready(kWorkerA);
  const auto ticket = TicketIn(table_.SubmitReceived({kClient}, SubmitOf(IdOf(1)), now()));
  table_.Planned(ticket, PlanOfUnit(5), now());
  EXPECT_EQ(Words(table_.Planned(ticket, PlanOfUnit(5), now())), "");
  EXPECT_EQ(table_.counters().accepted, 1u);
}

TEST_F(SessionTest, DeadlineCancelsOnTheWorkerAndEndsTheRequest) {
  Ready(kWorkerA);
  Start(IdOf(1), kClient, 5'000);
  clock_.Advance(milliseconds(4'999));
  EXPECT_EQ(Words(table_.Tick(now())), "");
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(Words(table_.Tick(now())),
            "worker 11: cancel attempt 0; client 1: final deadline exceeded");
  EXPECT_EQ(AssignedTo(kWorkerA), 0u);
}

TEST_F(SessionTest, DeadlineEndsARequestThatIsStillPlanned) {
  const auto ticket = TicketIn(table_.SubmitReceived({kClient}, SubmitOf(IdOf(1), 5'000), now()));
  clock_.Advance(seconds(5));
  EXPECT_EQ(Words(table_.Tick(now())), "client 1: final deadline exceeded");
  EXPECT_EQ(Words(table_.Planned(ticket, PlanOfUnit(5), now())), "");
}

TEST_F(SessionTest, DeadlineIsTheDefaultWhenNoneIsAskedAndNeverBeyondTheLongest) {
  Start(IdOf(1), kClient, 0);
  Start(IdOf(2), kClient, ~uint64_t{0});
  Ready(kWorkerA);
  clock_.Advance(seconds(60));
  EXPECT_EQ(Words(table_.Tick(now())),
            "worker 11: cancel attempt 0; client 1: final deadline exceeded");
  clock_.Advance(seconds(40));
  EXPECT_EQ(Words(table_.Tick(now())),
            "worker 11: cancel attempt 0; client 1: final deadline exceeded");
}

TEST_F(SessionTest, CancelStopsTheWorkerAndEndsTheRequest) {
  Ready(kWorkerA);
  Start(IdOf(1));
  const auto actions = table_.CancelReceived({kClient}, IdOf(1), now());
  EXPECT_EQ(Words(actions), "worker 11: cancel attempt 0; client 1: final cancelled");
  EXPECT_EQ(FinalIn(actions, kClient).usage.finish, FinishReason::kCancelled);
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now())), "");
  EXPECT_EQ(Words(table_.CancelReceived({kClient}, IdOf(1), now())), "");
}

TEST_F(SessionTest, CancelOfAnotherClientIsIgnored) {
  Ready(kWorkerA);
  Start(IdOf(1));
  EXPECT_EQ(Words(table_.CancelReceived({kOther}, IdOf(1), now())), "");
  EXPECT_EQ(table_.active(), 1u);
}

TEST_F(SessionTest, LostClientsRequestsAreCancelledAndNothingIsSentToIt) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Start(IdOf(2), kOther);
  EXPECT_EQ(Words(table_.ClientGone(kClient, now())), "worker 11: cancel attempt 0");
  EXPECT_EQ(table_.active(), 1u);
  EXPECT_EQ(AssignedTo(kWorkerA), 1u);
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now())), "");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(2)), now())), "client 2: final ok");
}

TEST_F(SessionTest, LongNameOfAModelIsRefusedAndNotRemembered) {
  Ready(kWorkerA);
  Envelope submit = SubmitOf(IdOf(1));
  std::get<Submit>(submit.body).model = std::string(1 << 20, 'm');
  const Final final = FinalIn(table_.SubmitReceived({kClient}, submit, now()), kClient);
  EXPECT_EQ(final.code, Code::kInvalidArgument);
  EXPECT_LT(final.message.size(), 1'024u);
  EXPECT_FALSE(table_.history().Find(IdOf(1), [](const auto&) { return true; }));
}

}  // namespace
}  // namespace promptcache::testing
