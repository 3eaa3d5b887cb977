// Which worker gets a request, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/session_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;

bool Everybody(const RequestReport&) { return true; }

TEST_F(SessionTest, AWorkerHasOneMoreAtHandThanItRunsAndOthersWaitHere) {
  Ready(kWorkerA, 1);
  EXPECT_THAT(Words(Start(IdOf(1))), EndsWith("run attempt 0"));
  EXPECT_THAT(Words(Start(IdOf(2))), EndsWith("run attempt 0"));
  EXPECT_THAT(Words(Start(IdOf(3))), EndsWith("accepted"));
  EXPECT_EQ(table_.waiting(), 1u);
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now())),
            "client 1: final ok; worker 11: run attempt 0");
  EXPECT_EQ(table_.waiting(), 0u);
}

TEST_F(SessionTest, WhatWaitsGoesBeforeWhatComesWhenItsWorkerHasTimeAgain) {
  Ready(kWorkerA);
  table_.HeartbeatReceived(kWorkerA, {.backlog_seconds = 3}, now());
  EXPECT_THAT(Words(Start(IdOf(1))), EndsWith("accepted"));
  clock_.Advance(milliseconds(1'200));  // and no tick
  std::vector<RequestId> runs;
  for (const Action& action : Start(IdOf(2))) {
    const auto& send = std::get<SendAction>(action);
    if (send.side == Side::kWorker) runs.push_back(send.envelope.request_id);
  }
  EXPECT_EQ(runs, (std::vector<RequestId>{IdOf(1), IdOf(2)}));
}

TEST_F(SessionTest, AWaitingRequestCanGoToAnyWorkerThatComes) {
  Ready(kWorkerA, 1);
  for (uint8_t n = 1; n <= 3; ++n) Start(IdOf(n));
  EXPECT_EQ(Words(Ready(kWorkerB)), "worker 12: run attempt 0");
}

TEST_F(SessionTest, CancelledWhileItWaitsItIsNeverGivenOut) {
  Ready(kWorkerA, 1);
  for (uint8_t n = 1; n <= 3; ++n) Start(IdOf(n));
  EXPECT_EQ(Words(table_.CancelReceived({kClient}, IdOf(3), now())), "client 1: final cancelled");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(IdOf(1)), now())), "client 1: final ok");
}

TEST_F(SessionTest, HigherPrioritiesGoFirst) {
  for (const auto& [n, priority] : {std::pair(1, 0), std::pair(2, 5), std::pair(3, 1)}) {
    Envelope submit = SubmitOf(IdOf(static_cast<uint8_t>(n)));
    std::get<Submit>(submit.body).priority = static_cast<uint8_t>(priority);
    const auto submitted = table_.SubmitReceived({kClient}, submit, now());
    table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
  }
  std::vector<RequestId> order;
  for (const Action& action : Ready(kWorkerA)) {
    order.push_back(std::get<SendAction>(action).envelope.request_id);
  }
  EXPECT_EQ(order, (std::vector<RequestId>{IdOf(2), IdOf(3), IdOf(1)}));
}

TEST_F(SessionTest, ADrainingWorkerKeepsWhatItHasAndGetsNothingNew) {
  Ready(kWorkerA);
  Start(IdOf(1));
  table_.HeartbeatReceived(kWorkerA, {.draining = true}, now());
  EXPECT_EQ(Words(Start(IdOf(2))), "client 1: accepted");
  EXPECT_EQ(Words(table_.PartialReceived(kWorkerA, PartialOf(IdOf(1), 0), now())),
            "client 1: partial 0");
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, {.draining = false}, now())),
            "worker 11: run attempt 0");
}

TEST_F(SessionTest, WhenAllDrainARequestEndsWithThatExplanation) {
  Ready(kWorkerA);
  table_.HeartbeatReceived(kWorkerA, {.draining = true}, now());
  Start(IdOf(1));
  clock_.Advance(milliseconds(10'000));
  EXPECT_THAT(FinalIn(table_.Tick(now()), kClient).message, HasSubstr("draining"));
}

TEST_F(SessionTest, AWorkerGetsNothingUntilItIsWarm) {
  const PlannedPrompt warm = PlanOfUnit(5);
  auto actions = table_.WorkerIsReady(kWorkerA, "w11", ReadyWorker(), {warm, warm}, now());
  std::vector<RequestId> runs;
  for (const Action& action : actions) {
    const auto& send = std::get<SendAction>(action);
    EXPECT_EQ(std::get<promptcache::Run>(send.envelope.body).options.max_new_tokens, 0u);
    runs.push_back(send.envelope.request_id);
  }
  ASSERT_EQ(runs.size(), 2u);
  table_.ResidencyReceived(kWorkerA, {.seq = 1, .snapshot = true}, now());
  EXPECT_EQ(Words(Start(IdOf(1))), "client 1: accepted");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(runs[0]), now())), "");
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, FinalOk(runs[1]), now())),
            "worker 11: run attempt 0");
  EXPECT_EQ(table_.counters().unexpected, 0u);
}

class PrefetchTest : public SessionTest {
 protected:
  PrefetchTest() {
    Ready(kWorkerA);
    Ready(kWorkerB);
  }
  // Runs requests of one unit one after another; the words of the last.
  std::string RunSome(uint8_t count) {
    std::string last;
    for (uint8_t n = 0; n < count; ++n) {
      const RequestId id = IdOf(++last_id_);
      const Actions given = Start(id);
      last = Words(given);
      for (const PeerId worker : {kWorkerA, kWorkerB}) {
        table_.FinalReceived(worker, FinalOk(id), now());
      }
    }
    return last;
  }

  uint8_t last_id_ = 0;
};

TEST_F(PrefetchTest, WhatOneWorkerIsAskedForTooOftenGoesToTheNextHomeOnce) {
  EXPECT_EQ(RunSome(2), "client 1: accepted; worker 11: run attempt 0");
  EXPECT_EQ(RunSome(1), "client 1: accepted; worker 11: run attempt 0; worker 12: run attempt 0");
  EXPECT_EQ(RunSome(2), "client 1: accepted; worker 11: run attempt 0");
  EXPECT_EQ(table_.counters().prefetched, 1u);
}

TEST_F(PrefetchTest, WhatTheNextHomeHasIsNotLoadedAgain) {
  for (const PeerId worker : {kWorkerA, kWorkerB}) {
    table_.ResidencyReceived(worker, {.seq = 2, .added = {KeyOf(ReadyWorker(), 5)}}, now());
  }
  RunSome(8);
  EXPECT_EQ(table_.counters().prefetched, 0u);
}

TEST_F(PrefetchTest, TheCountBeginsAnewAfterTenSeconds) {
  RunSome(2);
  clock_.Advance(milliseconds(10'000));
  RunSome(2);
  EXPECT_EQ(table_.counters().prefetched, 0u);
  RunSome(1);
  EXPECT_EQ(table_.counters().prefetched, 1u);
}

TEST(UnitDemand, NothingIsWantedWithoutAThreshold) {
  UnitDemand demand(0);
  const UnitKey unit = KeyOf(ReadyWorker(), 1);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(demand.Count(1, {&unit, 1}, SteadyTime()).empty());
}

TEST_F(SessionTest, AClientCannotUseTheIdOfAWarmingRun) {
  const auto actions = table_.WorkerIsReady(kWorkerA, "w11", ReadyWorker(), {PlanOfUnit(5)}, now());
  const RequestId id = std::get<SendAction>(actions.at(0)).envelope.request_id;
  EXPECT_EQ(FinalIn(table_.SubmitReceived({kClient}, SubmitOf(id), now()), kClient).code,
            Code::kAlreadyExists);
}

TEST_F(SessionTest, WhatNoWorkerCanBeginInTimeIsRejectedWithWhenToTryAgain) {
  Ready(kWorkerA);
  table_.HeartbeatReceived(kWorkerA, {.backlog_seconds = 8, .prefill_tokens_per_s = 100}, now());
  const Final final = FinalIn(Start(IdOf(1), kClient, 5'000), kClient);
  EXPECT_EQ(final.code, Code::kBusy);
  EXPECT_GE(final.retry_after_ms, 1'000u);
  EXPECT_LE(final.retry_after_ms, 4'000u);
  EXPECT_EQ(table_.counters().rejected, 1u);
}

// What a store at a loopback endpoint has counts as coming from a disk.
TEST_F(SessionTest, UnitsOfALocalStoreAreLoadedByWhoeverLacksThem) {
  for (const PeerId worker : {kWorkerA, kWorkerB}) {
    Ready(worker);
    table_.HeartbeatReceived(worker, {.prefill_tokens_per_s = 1, .disk = {.bytes_per_s = 1e9}},
                             now());
  }
  table_.ResidencyReceived(kWorkerA, {.seq = 2, .added = {KeyOf(ReadyWorker(), 5)}}, now());
  const auto seconds = [&](uint8_t recipe) {
    const RouteRequest request = table_.workers().Describe(PlanOfUnit(recipe).plan, 0);
    return table_.workers().fleet().Estimate(request, Routed(kWorkerB)).work.total_s();
  };
  EXPECT_LT(seconds(5), 3) << "two new tokens are computed, and a unit is loaded";
  EXPECT_GT(seconds(6), 9) << "the other unit is encoded";
}

TEST_F(SessionTest, WhatOtherCoordinatorsGaveAWorkerTakesItsSlots) {
  Ready(kWorkerA, 4);
  table_.HeartbeatReceived(kWorkerA, {.active = 3, .queued = 1}, now());
  EXPECT_THAT(Words(Start(IdOf(1))), EndsWith("run attempt 0"));
  EXPECT_THAT(Words(Start(IdOf(2))), EndsWith("run attempt 0")) << "a quarter is left to this one";
  EXPECT_THAT(Words(Start(IdOf(3))), EndsWith("accepted"));
  EXPECT_EQ(Words(table_.HeartbeatReceived(kWorkerA, {.active = 4}, now())),
            "worker 11: run attempt 0")
      << "two are its own";
}

TEST_F(SessionTest, WithoutMeasuredRatesNothingIsRejected) {
  Ready(kWorkerA);
  table_.HeartbeatReceived(kWorkerA, {.backlog_seconds = 8}, now());
  EXPECT_EQ(Words(Start(IdOf(1), kClient, 5'000)), "client 1: accepted");
}

TEST_F(SessionTest, AWorkerThatGivesARequestBackIsNotTheOnlyOne) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Ready(kWorkerB);
  table_.HeartbeatReceived(kWorkerA, {.draining = true}, now());
  Envelope refused = FinalOk(IdOf(1));
  refused.body = Final{.code = Code::kUnavailable, .message = "draining"};
  EXPECT_EQ(Words(table_.FinalReceived(kWorkerA, refused, now())), "");
  clock_.Advance(milliseconds(200));
  EXPECT_EQ(Words(table_.Tick(now())), "worker 12: run attempt 1");
}

TEST_F(SessionTest, ARequestThatEveryWorkerGivesBackEndsWithTheReasonButNotAtOnce) {
  Ready(kWorkerA);
  Start(IdOf(1));
  Actions actions;
  for (uint32_t attempt = 0; attempt < 3; ++attempt) {
    EXPECT_EQ(table_.active(), 1u);
    Envelope refused = FinalOk(IdOf(1), attempt);
    refused.body = Final{.code = Code::kBusy, .message = "the queue is full"};
    actions = table_.FinalReceived(kWorkerA, refused, now());
    clock_.Advance(milliseconds(200));
    table_.Tick(now());
  }
  EXPECT_EQ(FinalIn(actions, kClient).code, Code::kBusy);
  EXPECT_THAT(FinalIn(actions, kClient).message, HasSubstr("the queue is full"));
  EXPECT_GT(FinalIn(actions, kClient).retry_after_ms, 0u);
}

TEST_F(SessionTest, WhatWasAcceptedIsNotRejectedWhenItsWorkerIsLost) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  Start(IdOf(1), kClient, 5'000);
  const PeerId first = AssignedTo(kWorkerA) > 0 ? kWorkerA : kWorkerB;
  const PeerId second = first == kWorkerA ? kWorkerB : kWorkerA;
  table_.HeartbeatReceived(second, {.backlog_seconds = 8, .prefill_tokens_per_s = 100}, now());
  EXPECT_EQ(Words(table_.WorkerGone(first, now())), "") << "it waits";
  EXPECT_EQ(table_.waiting(), 1u);
}

TEST_F(SessionTest, WhatIsRejectedWasNotAccepted) {
  Ready(kWorkerA);
  table_.HeartbeatReceived(kWorkerA, {.backlog_seconds = 8, .prefill_tokens_per_s = 100}, now());
  EXPECT_EQ(Words(Start(IdOf(1), kClient, 5'000)), "client 1: final busy");
  EXPECT_EQ(table_.counters().accepted, 0u);
}

TEST_F(SessionTest, WhatNoOpenWorkerIsLargeEnoughForEndsAfterTheWait) {
  Ready(kWorkerA, 4);
  Ready(kWorkerB, 1);
  table_.HeartbeatReceived(kWorkerA, {.draining = true}, now());
  Envelope submit = SubmitOf(IdOf(1));
  std::get<Submit>(submit.body).options.samples = 3;
  const auto submitted = table_.SubmitReceived({kClient}, submit, now());
  table_.Planned(TicketIn(submitted), PlanOfUnit(5), now());
  clock_.Advance(milliseconds(10'000));
  EXPECT_THAT(FinalIn(table_.Tick(now()), kClient).message, HasSubstr("too small"));
}

// ---- what operators see ----

TEST_F(SessionTest, ARequestIsExplainedWhileItRunsAndAfterwards) {
  Ready(kWorkerA);
  Ready(kWorkerB);
  clock_.Advance(milliseconds(20'000));
  Start(IdOf(1));
  clock_.Advance(milliseconds(7));
  const auto running = table_.Explain(IdOf(1), Everybody);
  ASSERT_TRUE(running.has_value());
  ASSERT_EQ(running->attempts.size(), 1u);
  const PeerId chosen = running->attempts[0].worker == "w11" ? kWorkerA : kWorkerB;
  ASSERT_EQ(running->attempts[0].routes.size(), 2u);
  EXPECT_EQ(running->attempts[0].routes[0].worker, running->attempts[0].worker);
  EXPECT_GT(running->attempts[0].routes[0].work_s, 0);
  EXPECT_EQ(running->attempts[0].end, "");

  table_.PartialReceived(chosen, PartialOf(IdOf(1), 0), now());
  clock_.Advance(milliseconds(3));
  Envelope final = FinalOk(IdOf(1));
  final.body = Final{.usage = {.units = {{.source = Source::kDisk, .tokens = 8}}}};
  table_.FinalReceived(chosen, final, now());
  const auto ended = table_.Explain(IdOf(1), Everybody);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->first_token_ms, 7);
  EXPECT_EQ(ended->ended_ms, 10);
  EXPECT_EQ(ended->attempts[0].end, "ok");
  EXPECT_EQ(table_.history().tokens().disk, 8u);
  EXPECT_EQ(table_.history().TtftMs().count, 1u);
  EXPECT_EQ(table_.history().TtftMs().p99, 7);
  EXPECT_FALSE(table_.Explain(IdOf(2), Everybody).has_value());
}

TEST(RequestHistory, RemembersTheLastOnesAndTheSlowestOfThem) {
  RequestHistory history({.last = 3, .slowest = 0});
  for (uint8_t n = 1; n <= 4; ++n) {
    const double waited = n == 2 ? 50 : n;
    history.Add({.id = IdOf(n), .first_token_ms = waited, .ended_ms = 60}, {});
  }
  EXPECT_FALSE(history.Find(IdOf(1), Everybody).has_value());
  const auto slowest = history.Slowest(2, Everybody);
  ASSERT_EQ(slowest.size(), 2u);
  EXPECT_EQ(slowest[0].id, IdOf(2));
  EXPECT_EQ(slowest[1].id, IdOf(4));
  const auto tenants = [](const RequestReport& report) { return report.tenant == "acme"; };
  EXPECT_TRUE(history.Slowest(2, tenants).empty());
  EXPECT_EQ(history.TtftMs().p50, 4);
  EXPECT_EQ(history.TtftMs().p99, 4);
  EXPECT_EQ(history.TtftMs().count, 3u);
}

std::vector<RequestId> SlowestOf(const RequestHistory& history, size_t count) {
  std::vector<RequestId> ids;
  for (const RequestReport& report : history.Slowest(count, Everybody)) ids.push_back(report.id);
  return ids;
}

TEST(RequestHistory, KeepsTheSlowestWhenOthersFlood) {
  RequestHistory history({.last = 2, .slowest = 2});
  const auto flood = [&] {
    for (uint8_t n = 100; n < 200; ++n)
      history.Add({.id = IdOf(n), .first_token_ms = n / 100.0}, {});
  };
  history.Add({.id = IdOf(1), .first_token_ms = 70}, {});
  history.Add({.id = IdOf(2), .first_token_ms = 60}, {});
  flood();
  history.Add({.id = IdOf(3), .ended_ms = 80}, {});  // without a first token
  flood();
  EXPECT_TRUE(history.Find(IdOf(1), Everybody).has_value());
  EXPECT_TRUE(history.Find(IdOf(3), Everybody).has_value());
  EXPECT_FALSE(history.Find(IdOf(2), Everybody).has_value()) << "two were slower";
  EXPECT_EQ(SlowestOf(history, 4), (std::vector<RequestId>{IdOf(3), IdOf(1), IdOf(199), IdOf(198)}))
      << "each once";
}

TEST(RequestHistory, ForgetsTheSlowestAfterAWhile) {
  RequestHistory history({.last = 1, .slowest = 4});
  const SteadyTime start{};
  history.Add({.id = IdOf(1), .first_token_ms = 70}, {.at = start});
  history.Add({.id = IdOf(2), .first_token_ms = 1}, {.at = start + std::chrono::minutes(9)});
  EXPECT_TRUE(history.Find(IdOf(1), Everybody).has_value());
  history.Add({.id = IdOf(3), .first_token_ms = 1}, {.at = start + std::chrono::minutes(10)});
  EXPECT_FALSE(history.Find(IdOf(1), Everybody).has_value());
  EXPECT_TRUE(history.Find(IdOf(2), Everybody).has_value());
}

TEST(RequestHistory, WhatWaitsInTheBackgroundIsNotKeptAsSlow) {
  RequestHistory history({.last = 1, .slowest = 1});
  history.Add({.id = IdOf(1), .first_token_ms = 5}, {});
  history.Add({.id = IdOf(2), .first_token_ms = 90}, {.in_background = true});
  history.Add({.id = IdOf(3), .first_token_ms = 1}, {});
  EXPECT_EQ(SlowestOf(history, 3), (std::vector<RequestId>{IdOf(1), IdOf(3)}));
}

}  // namespace
}  // namespace promptcache::testing
