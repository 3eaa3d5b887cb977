#include "worker/service/request_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr RequestOwner kFirst{.coordinator = 0, .attempt = 0};
constexpr RequestOwner kSecond{.coordinator = 1, .attempt = 65'536};

RequestId Id(uint8_t number) {
  RequestId id;
  id.bytes[0] = number;
  return id;
}

SteadyTime At(int64_t second) { return SteadyTime(seconds(second)); }

Partial Text(std::string text) { return {.tokens = {7}, .text = std::move(text)}; }

const Partial& PartOf(const Outgoing& message) { return std::get<Partial>(message.envelope.body); }
Code CodeOf(const Outgoing& message) { return std::get<Final>(message.envelope.body).code; }
RequestOwner ReceiverOf(const Outgoing& message) {
  return {message.coordinator, message.envelope.attempt};
}

class RequestLogTest : public ::testing::Test {
 protected:
  RequestRun Begin(const RequestId& id, const RequestOwner& owner = kFirst) {
    return log_.Begin(id, owner, 0).value().run;
  }
  RequestRun Ended(const RequestId& id, SteadyTime at) {
    const RequestRun run = Begin(id);
    (void)log_.End(run, {}, at);
    return run;
  }
  RequestPhase PhaseOf(uint8_t number) const { return log_.Query(Id(number)).phase; }

  RequestLog log_;
};

TEST_F(RequestLogTest, PartsAreCountedFromTheFirstAndGoToTheirOwner) {
  const RequestRun run = log_.Begin(Id(1), kSecond, 5).value().run;
  const auto sixth = log_.Part(run, Text("a")), seventh = log_.Part(run, Text("b"));
  EXPECT_EQ(PartOf(*sixth).seq, 5u);
  EXPECT_EQ(PartOf(*seventh), (Partial{.seq = 6, .tokens = {7}, .text = "b"}));
  EXPECT_EQ(ReceiverOf(*seventh), kSecond);
  EXPECT_EQ(seventh->envelope.request_id, Id(1));
  EXPECT_EQ(log_.Query(Id(1)),
            (RequestState{.phase = RequestPhase::kRunning, .attempt = 65'536, .parts = 7}));
  const auto end = log_.End(run, {.code = Code::kDataLoss}, At(0));
  EXPECT_EQ(CodeOf(*end), Code::kDataLoss);
  EXPECT_EQ(ReceiverOf(*end), kSecond);
  EXPECT_EQ(log_.Query(Id(1)),
            (RequestState{.phase = RequestPhase::kEnded, .attempt = 65'536, .parts = 7}));
  EXPECT_FALSE(log_.Part(run, Text("c")));
  EXPECT_FALSE(log_.End(run, {}, At(0)));
}

TEST_F(RequestLogTest, UnknownRequestsAreUnknown) {
  EXPECT_EQ(log_.Query(Id(1)), RequestState{});
  EXPECT_FALSE(log_.Cancel(Id(1), 9));
  const auto answer = log_.Adopt(Id(1), kSecond, 0);
  ASSERT_THAT(answer, SizeIs(1));
  EXPECT_EQ(CodeOf(answer[0]), Code::kNotFound);
  EXPECT_EQ(ReceiverOf(answer[0]), kSecond);
}

TEST_F(RequestLogTest, NewerAttemptTakesThePlaceOfTheOld) {
  const RequestRun old = Begin(Id(1));
  const auto begun = log_.Begin(Id(1), {.coordinator = 0, .attempt = 1}, 0).value();
  EXPECT_TRUE(begun.replaced);
  EXPECT_FALSE(begun.farewell);  // the owner knows
  EXPECT_FALSE(log_.Part(old, Text("late")));
  EXPECT_FALSE(log_.End(old, {}, At(0)));
  EXPECT_EQ(log_.Part(begun.run, Text("a"))->envelope.attempt, 1u);
  (void)log_.End(begun.run, {}, At(0));
  EXPECT_FALSE(log_.Begin(Id(1), {.coordinator = 0, .attempt = 2}, 0).value().replaced);
}

TEST_F(RequestLogTest, OlderAttemptBeginsNothing) {
  const RequestRun run = Begin(Id(1), kSecond);
  EXPECT_EQ(log_.Begin(Id(1), kSecond, 0).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(log_.Begin(Id(1), kFirst, 0).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(log_.Begin(Id(1), {.coordinator = 0, .attempt = 65'536}, 0).status().code(),
            Code::kFailedPrecondition);
  (void)log_.End(run, {}, At(0));
  EXPECT_EQ(log_.Begin(Id(1), kFirst, 0).status().code(), Code::kFailedPrecondition);
}

TEST_F(RequestLogTest, CoordinatorThatTakesOverGetsTheRestAndTheOtherAFarewell) {
  const RequestRun run = Begin(Id(1));
  for (const char* text : {"a", "b", "c"}) (void)log_.Part(run, Text(text));
  const auto messages = log_.Adopt(Id(1), kSecond, 1);
  ASSERT_THAT(messages, SizeIs(3));
  EXPECT_EQ(ReceiverOf(messages[0]), kFirst);
  EXPECT_EQ(CodeOf(messages[0]), Code::kCancelled);
  EXPECT_EQ(ReceiverOf(messages[1]), kSecond);
  EXPECT_EQ(PartOf(messages[1]), (Partial{.seq = 1, .tokens = {7}, .text = "b"}));
  EXPECT_EQ(PartOf(messages[2]).seq, 2u);
  const auto live = log_.Part(run, Text("d"));
  EXPECT_EQ(PartOf(*live).seq, 3u);
  EXPECT_EQ(ReceiverOf(*live), kSecond);
  EXPECT_EQ(ReceiverOf(*log_.End(run, {}, At(0))), kSecond);
}

TEST_F(RequestLogTest, RunOfAnotherCoordinatorTellsTheOneBefore) {
  (void)Begin(Id(1));
  const auto begun = log_.Begin(Id(1), kSecond, 0).value();
  EXPECT_TRUE(begun.replaced);
  ASSERT_TRUE(begun.farewell);
  EXPECT_EQ(ReceiverOf(*begun.farewell), kFirst);
  EXPECT_EQ(CodeOf(*begun.farewell), Code::kCancelled);
}

TEST_F(RequestLogTest, EndedRequestIsAdoptedWithItsFinal) {
  const RequestRun run = Begin(Id(1));
  (void)log_.Part(run, Text("a"));
  (void)log_.End(run, {.usage = {.worker = "w"}}, At(0));
  const auto messages = log_.Adopt(Id(1), kSecond, 0);
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(PartOf(messages[0]).text, "a");
  EXPECT_EQ(std::get<Final>(messages[1].envelope.body).usage.worker, "w");
}

TEST_F(RequestLogTest, PartsThatAreNotHereAreNotAdopted) {
  const RequestRun run = log_.Begin(Id(1), kFirst, 2).value().run;
  (void)log_.Part(run, Text("a"));
  for (const uint32_t first : {0u, 1u, 4u}) {
    const auto answer = log_.Adopt(Id(1), kSecond, first);
    ASSERT_THAT(answer, SizeIs(1)) << first;
    EXPECT_EQ(CodeOf(answer[0]), Code::kNotFound) << first;
  }
  EXPECT_EQ(ReceiverOf(*log_.Part(run, Text("b"))), kFirst);  // nothing has changed
  EXPECT_THAT(log_.Adopt(Id(1), kSecond, 4), SizeIs(1));       // the farewell; all else is to come
}

TEST_F(RequestLogTest, OlderAttemptAdoptsAndCancelsNothing) {
  const RequestRun run = Begin(Id(1), kSecond);
  const auto answer = log_.Adopt(Id(1), kFirst, 0);
  ASSERT_THAT(answer, SizeIs(1));
  EXPECT_EQ(CodeOf(answer[0]), Code::kFailedPrecondition);
  EXPECT_EQ(ReceiverOf(answer[0]), kFirst);
  EXPECT_FALSE(log_.Cancel(Id(1), kFirst.attempt));
  EXPECT_TRUE(log_.Cancel(Id(1), kSecond.attempt));
  EXPECT_EQ(ReceiverOf(*log_.End(run, {}, At(0))), kSecond);
  EXPECT_FALSE(log_.Cancel(Id(1), kSecond.attempt));  // it has ended
}

TEST_F(RequestLogTest, CancelOfANewAttemptShutsOutTheOnesBefore) {
  const RequestRun run = Begin(Id(1));
  EXPECT_TRUE(log_.Cancel(Id(1), 65'536));
  EXPECT_EQ(log_.Begin(Id(1), {.coordinator = 0, .attempt = 1}, 0).status().code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(ReceiverOf(*log_.End(run, {.code = Code::kCancelled}, At(0))), kFirst);
}

TEST_F(RequestLogTest, OrphansRunOnForHalfAMinute) {
  const RequestRun adopted = Begin(Id(1)), left = Begin(Id(2)), others = Begin(Id(3), kSecond);
  const RequestRun over = Begin(Id(4));
  log_.CoordinatorLost(kFirst.coordinator, At(100));
  for (const RequestRun& run : {adopted, left}) EXPECT_FALSE(log_.Part(run, Text("unheard")));
  EXPECT_TRUE(log_.Part(others, Text("heard")));
  EXPECT_FALSE(log_.End(over, {}, At(101)));
  EXPECT_THAT(log_.Expire(At(129)), IsEmpty());
  EXPECT_THAT(log_.Adopt(Id(1), kSecond, 0), SizeIs(1));  // the part, and no farewell
  EXPECT_THAT(log_.Expire(At(130)), ElementsAre(Id(2)));
  EXPECT_THAT(log_.Expire(At(1000)), IsEmpty());
  EXPECT_EQ(PhaseOf(1), RequestPhase::kRunning);
  EXPECT_EQ(PhaseOf(2), RequestPhase::kUnknown);  // nobody shall take up what was given up
  EXPECT_FALSE(log_.Part(left, Text("late")));
  EXPECT_EQ(ReceiverOf(*log_.Part(adopted, Text("more"))), kSecond);
}

TEST_F(RequestLogTest, OrphansAreGivenUpInTheOrderOfTheirIds) {
  for (const uint8_t number : {9, 3, 200, 4}) (void)Begin(Id(number));
  log_.CoordinatorLost(kFirst.coordinator, At(0));
  EXPECT_THAT(log_.Expire(At(30)), ElementsAre(Id(3), Id(4), Id(9), Id(200)));
}

TEST_F(RequestLogTest, EndedRequestsAreKeptForTenMinutes) {
  (void)Ended(Id(1), At(0));
  (void)Ended(Id(2), At(300));
  (void)Begin(Id(3));
  EXPECT_THAT(log_.Expire(At(599)), IsEmpty());
  EXPECT_EQ(PhaseOf(1), RequestPhase::kEnded);
  EXPECT_THAT(log_.Expire(At(600)), IsEmpty());
  EXPECT_EQ(PhaseOf(1), RequestPhase::kUnknown);
  EXPECT_EQ(PhaseOf(2), RequestPhase::kEnded);
  EXPECT_THAT(log_.Expire(At(900)), IsEmpty());
  EXPECT_EQ(PhaseOf(2), RequestPhase::kUnknown);
  EXPECT_EQ(PhaseOf(3), RequestPhase::kRunning);
}

TEST_F(RequestLogTest, ForgottenRequestMayComeAgain) {
  const RequestRun run = Begin(Id(1));
  log_.Forget(Id(1));
  EXPECT_EQ(log_.bytes(), 0u);
  const RequestRun again = Begin(Id(1));
  EXPECT_FALSE(log_.Part(run, Text("late")));
  EXPECT_TRUE(log_.Part(again, Text("a")));
}

TEST(RequestLogLimitsTest, TooManyRequestsPushOutTheOldestThatEnded) {
  RequestLog log({.requests = 3});
  std::vector<RequestRun> runs;
  for (uint8_t i = 0; i < 3; ++i) runs.push_back(log.Begin(Id(i), kFirst, 0).value().run);
  (void)log.End(runs[1], {}, At(0));
  (void)log.End(runs[0], {}, At(1));
  (void)log.Begin(Id(3), kFirst, 0).value();
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(log.Query(Id(0)).phase, RequestPhase::kEnded);
  EXPECT_EQ(log.Query(Id(1)).phase, RequestPhase::kUnknown);
  EXPECT_EQ(log.Query(Id(2)).phase, RequestPhase::kRunning);
}

TEST(RequestLogLimitsTest, BytesStayWithinTheLimitAndRunningRequestsLoseTheirOldestParts) {
  constexpr uint64_t kLimit = 20'000;
  RequestLog log({.bytes = kLimit});
  const RequestRun old = log.Begin(Id(1), kFirst, 0).value().run;
  for (int i = 0; i < 10; ++i) (void)log.Part(old, Text(std::string(500, 'x')));
  (void)log.End(old, {}, At(0));
  const RequestRun run = log.Begin(Id(2), kFirst, 0).value().run;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(PartOf(*log.Part(run, Text(std::string(500, 'x')))).seq, static_cast<uint32_t>(i));
    EXPECT_LE(log.bytes(), kLimit);
  }
  EXPECT_EQ(log.Query(Id(1)).phase, RequestPhase::kUnknown);
  EXPECT_EQ(log.Query(Id(2)).parts, 100u);
  EXPECT_EQ(CodeOf(log.Adopt(Id(2), kSecond, 50)[0]), Code::kNotFound);
  EXPECT_EQ(PartOf(log.Adopt(Id(2), kSecond, 90).at(1)).seq, 90u);  // behind the farewell
  log.Forget(Id(2));
  EXPECT_EQ(log.bytes(), 0u);
}

TEST(RequestLogLimitsTest, LogprobsAndUsageCountAsBytes) {
  RequestLog log;
  const RequestRun run = log.Begin(Id(1), kFirst, 0).value().run;
  const uint64_t before = log.bytes();
  TokenLogprobs token;
  token.top.resize(20);
  (void)log.Part(run, {.tokens = {7}, .logprobs = {token}});
  EXPECT_GE(log.bytes(), before + 21 * sizeof(TokenLogprob));
  const uint64_t parts = log.bytes();
  Final final;
  final.usage.units.resize(10);
  (void)log.End(run, final, At(0));
  EXPECT_GE(log.bytes(), parts + 10 * sizeof(UnitUsage));
}

}  // namespace
}  // namespace promptcache
