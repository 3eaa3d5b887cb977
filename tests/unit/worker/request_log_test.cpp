#include "worker/requests/request_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const RequestOwner kFirst{.coordinator = 0, .attempt = 0};
const RequestOwner kSecond{.coordinator = 1, .attempt = 65'536};
const RequestOwner kFourth{.coordinator = 3, .attempt = 131'072};

RequestId Id(uint8_t number) {
  RequestId id;
  id.bytes[0] = number;
  return id;
}

SteadyTime At(int64_t second) { return SteadyTime(seconds(second)); }

Partial Text(std::string text) { return {.tokens = {7}, .text = std::move(text)}; }

// So many parts of one such token.
Delivered Sevens(uint32_t parts) {
  return {.parts = parts, .samples = {std::vector<TokenId>(parts, 7)}};
}

const Partial& PartOf(const Outgoing& message) { return std::get<Partial>(message.envelope.body); }
Code CodeOf(const Outgoing& message) { return std::get<Final>(message.envelope.body).code; }
RequestOwner ReceiverOf(const Outgoing& message) {
  return {message.coordinator, message.envelope.attempt};
}

// Everything that the request's owner has to be sent now.
std::vector<Outgoing> Take(RequestLog& log, const RequestId& id, SteadyTime now = At(0)) {
  std::vector<Outgoing> messages;
  while (auto message = log.Next(id)) {
    messages.push_back(*std::move(message));
    log.Sent(id, now);
  }
  return messages;
}

class RequestLogTest : public ::testing::Test {
 protected:
  RequestRun Begin(const RequestId& id, const RequestOwner& owner = kFirst) {
    return log_.Begin(id, owner, {}).value().run;
  }
  std::vector<Outgoing> Sent(uint8_t number) { return Take(log_, Id(number)); }
  RequestPhase PhaseOf(uint8_t number) const { return log_.Query(Id(number)).phase; }
  // The one message that is due.
  Outgoing Only(uint8_t number) {
    const auto messages = Sent(number);
    EXPECT_THAT(messages, SizeIs(1));
    return messages.at(0);
  }

  RequestLog log_;
};

TEST_F(RequestLogTest, PartsAreCountedFromTheFirstAndGoToTheirOwner) {
  const RequestRun run = log_.Begin(Id(1), kSecond, Sevens(5)).value().run;
  EXPECT_THAT(Sent(1), IsEmpty());
  log_.Part(run, Text("a"));
  log_.Part(run, Text("b"));
  const auto messages = Sent(1);
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(PartOf(messages[0]).seq, 5u);
  EXPECT_EQ(PartOf(messages[1]), (Partial{.seq = 6, .tokens = {7}, .text = "b"}));
  EXPECT_EQ(ReceiverOf(messages[1]), kSecond);
  EXPECT_EQ(messages[1].envelope.request_id, Id(1));
  EXPECT_EQ(log_.Query(Id(1)),
            (RequestState{.phase = RequestPhase::kRunning, .attempt = 65'536, .parts = 7}));
}

TEST_F(RequestLogTest, EndIsHeardOnceBehindAllParts) {
  const RequestRun run = Begin(Id(1));
  log_.Part(run, Text("a"));
  log_.End(run, {.code = Code::kDataLoss}, At(0));
  log_.Part(run, Text("late"));
  log_.End(run, {}, At(0));
  const auto messages = Sent(1);
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(PartOf(messages[0]).text, "a");
  EXPECT_EQ(CodeOf(messages[1]), Code::kDataLoss);
  EXPECT_EQ(ReceiverOf(messages[1]), kFirst);
  EXPECT_EQ(log_.Query(Id(1)),
            (RequestState{.phase = RequestPhase::kEnded, .attempt = 0, .parts = 1}));
}

TEST_F(RequestLogTest, WhatWasNotSentIsStillDue) {
  const RequestRun run = Begin(Id(1));
  log_.Part(run, Text("a"));
  EXPECT_EQ(PartOf(*log_.Next(Id(1))).text, "a");
  log_.Part(run, Text("b"));
  EXPECT_EQ(PartOf(*log_.Next(Id(1))).text, "a");
  log_.Sent(Id(1), At(0));
  EXPECT_EQ(PartOf(*log_.Next(Id(1))).text, "b");
}

TEST_F(RequestLogTest, UnknownRequestsAreUnknown) {
  EXPECT_EQ(log_.Query(Id(1)), RequestState{});
  EXPECT_FALSE(log_.Next(Id(1)));
  EXPECT_FALSE(log_.Cancel(Id(1), 9));
  EXPECT_EQ(log_.Adopt(Id(1), kSecond, {}).status().code(), Code::kNotFound);
}

TEST_F(RequestLogTest, NewerAttemptTakesThePlaceOfTheOld) {
  const RequestRun old = Begin(Id(1));
  const auto begun = log_.Begin(Id(1), {.coordinator = 0, .attempt = 1}, {}).value();
  EXPECT_TRUE(begun.replaced);
  EXPECT_FALSE(begun.farewell);  // the owner knows
  log_.Part(old, Text("late"));
  log_.End(old, {}, At(0));
  EXPECT_EQ(log_.Forget(old), std::nullopt);
  EXPECT_THAT(Sent(1), IsEmpty());
  log_.Part(begun.run, Text("a"));
  EXPECT_EQ(Only(1).envelope.attempt, 1u);
  log_.End(begun.run, {}, At(0));
  EXPECT_FALSE(log_.Begin(Id(1), {.coordinator = 0, .attempt = 2}, {}).value().replaced);
}

TEST_F(RequestLogTest, OlderAttemptBeginsNothing) {
  const RequestRun run = Begin(Id(1), kSecond);
  EXPECT_EQ(log_.Begin(Id(1), kSecond, {}).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(log_.Begin(Id(1), kFirst, {}).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(log_.Begin(Id(1), {.coordinator = 0, .attempt = 65'536}, {}).status().code(),
            Code::kFailedPrecondition);
  log_.End(run, {}, At(0));
  EXPECT_EQ(log_.Begin(Id(1), kFirst, {}).status().code(), Code::kFailedPrecondition);
}

TEST_F(RequestLogTest, IdThatWasUsedAndWhoseEndWasHeardOfIsRefusedNotIgnored) {
  const RequestRun run = Begin(Id(1));
  log_.End(run, {}, At(0));
  EXPECT_EQ(log_.Begin(Id(1), kFirst, {}).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(CodeOf(Only(1)), Code::kOk);
  EXPECT_EQ(log_.Begin(Id(1), kFirst, {}).status().code(), Code::kFailedPrecondition)
      << "nothing of it is on its way to whoever waits";
}

TEST_F(RequestLogTest, CoordinatorThatTakesOverGetsTheRestAndTheOtherAFarewell) {
  const RequestRun run = Begin(Id(1));
  for (const char* text : {"a", "b", "c"}) log_.Part(run, Text(text));
  EXPECT_THAT(Sent(1), SizeIs(3));
  const auto farewell = log_.Adopt(Id(1), kSecond, Sevens(1)).value();
  ASSERT_TRUE(farewell);
  EXPECT_EQ(ReceiverOf(*farewell), kFirst);
  EXPECT_EQ(CodeOf(*farewell), Code::kFailedPrecondition);
  const auto messages = Sent(1);
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(ReceiverOf(messages[0]), kSecond);
  EXPECT_EQ(PartOf(messages[0]), (Partial{.seq = 1, .tokens = {7}, .text = "b"}));
  EXPECT_EQ(PartOf(messages[1]).seq, 2u);
  log_.Part(run, Text("d"));
  const Outgoing live = Only(1);
  EXPECT_EQ(PartOf(live).seq, 3u);
  EXPECT_EQ(ReceiverOf(live), kSecond);
  log_.End(run, {}, At(0));
  EXPECT_EQ(ReceiverOf(Only(1)), kSecond);
}

TEST_F(RequestLogTest, RunOfAnotherCoordinatorTellsTheOneBefore) {
  (void)Begin(Id(1));
  const auto begun = log_.Begin(Id(1), kSecond, {}).value();
  EXPECT_TRUE(begun.replaced);
  ASSERT_TRUE(begun.farewell);
  EXPECT_EQ(ReceiverOf(*begun.farewell), kFirst);
  EXPECT_EQ(CodeOf(*begun.farewell), Code::kFailedPrecondition);
}

TEST_F(RequestLogTest, EndedRequestIsAdoptedWithItsFinal) {
  const RequestRun run = Begin(Id(1));
  log_.Part(run, Text("a"));
  log_.End(run, {.usage = {.worker = "w"}}, At(0));
  EXPECT_THAT(Sent(1), SizeIs(2));
  for (const RequestOwner& owner : {kSecond, kFourth}) {
    EXPECT_FALSE(log_.Adopt(Id(1), owner, {}).value());  // the one before has its Final
    const auto messages = Sent(1);
    ASSERT_THAT(messages, SizeIs(2));
    EXPECT_EQ(PartOf(messages[0]).text, "a");
    EXPECT_EQ(ReceiverOf(messages[0]), owner);
    EXPECT_EQ(std::get<Final>(messages[1].envelope.body).usage.worker, "w");
  }
}

TEST_F(RequestLogTest, PartsThatAreNotHereAreNotAdopted) {
  const RequestRun run = log_.Begin(Id(1), kFirst, Sevens(2)).value().run;
  log_.Part(run, Text("a"));
  for (const uint32_t first : {0u, 1u, 4u}) {
    EXPECT_EQ(log_.Adopt(Id(1), kSecond, Sevens(first)).status().code(), Code::kNotFound) << first;
  }
  EXPECT_EQ(ReceiverOf(Only(1)), kFirst);  // nothing has changed
  EXPECT_TRUE(log_.Adopt(Id(1), kSecond, Sevens(3)).ok());
  EXPECT_THAT(Sent(1), IsEmpty());
}

// Another run of the request cut the parts that its client has.
TEST_F(RequestLogTest, AdoptedBehindTheSameTokensWhateverTheirParts) {
  const RequestRun run =
      log_.Begin(Id(1), kFirst, {.parts = 1, .samples = {{1}, {}, {30}}}).value().run;
  log_.Part(run, {.tokens = {2, 3}});
  log_.Part(run, {.tokens = {20}, .sample = 1});
  log_.Part(run, {.tokens = {4}});
  const std::vector<std::vector<std::vector<TokenId>>> others = {
      {{1}, {}, {31}}, {{1, 2}, {}, {30}}, {{1, 2, 3}, {20}}, {{1, 2, 3}, {20}, {30}, {40}}, {}};
  for (const auto& tokens : others) {
    const auto adopted = log_.Adopt(Id(1), kSecond, {.parts = 2, .samples = tokens});
    EXPECT_EQ(adopted.status().code(), Code::kNotFound);
  }
  ASSERT_TRUE(
      log_.Adopt(Id(1), kSecond, {.parts = 9, .samples = {{1, 2, 3}, {20}, {30}, {}}}).ok());
  EXPECT_EQ(PartOf(Only(1)), (Partial{.seq = 9, .tokens = {4}}));
  log_.Part(run, {.tokens = {21}, .sample = 1});
  EXPECT_EQ(PartOf(Only(1)).seq, 10u);
  ASSERT_TRUE(log_.Adopt(Id(1), kSecond, {.parts = 1, .samples = {{1}, {}, {30}}}).ok());
  EXPECT_EQ(PartOf(Sent(1).at(3)), (Partial{.seq = 4, .tokens = {21}, .sample = 1}));
}

TEST_F(RequestLogTest, OlderAttemptAdoptsAndCancelsNothing) {
  const RequestRun run = Begin(Id(1), kSecond);
  EXPECT_EQ(log_.Adopt(Id(1), kFirst, {}).status().code(), Code::kFailedPrecondition);
  EXPECT_FALSE(log_.Cancel(Id(1), kFirst.attempt));
  EXPECT_TRUE(log_.Cancel(Id(1), kSecond.attempt));
  log_.End(run, {}, At(0));
  EXPECT_EQ(ReceiverOf(Only(1)), kSecond);
  EXPECT_FALSE(log_.Cancel(Id(1), kSecond.attempt));  // it has ended
}

TEST_F(RequestLogTest, CancelOfANewAttemptShutsOutTheOnesBefore) {
  const RequestRun run = Begin(Id(1));
  EXPECT_TRUE(log_.Cancel(Id(1), 65'536));
  EXPECT_EQ(log_.Begin(Id(1), {.coordinator = 0, .attempt = 1}, {}).status().code(),
            Code::kFailedPrecondition);
  log_.End(run, {.code = Code::kCancelled}, At(0));
  EXPECT_EQ(ReceiverOf(Only(1)), kFirst);
}

TEST_F(RequestLogTest, OrphansRunOnForHalfAMinute) {
  const RequestRun adopted = Begin(Id(1)), left = Begin(Id(2)), others = Begin(Id(3), kSecond);
  const RequestRun over = Begin(Id(4));
  EXPECT_EQ(log_.CoordinatorLost(kFirst.coordinator, At(100)), 3u);
  EXPECT_EQ(log_.CoordinatorLost(kFirst.coordinator, At(110)), 0u);
  for (const RequestRun& run : {adopted, left, others}) log_.Part(run, Text("a"));
  log_.End(over, {}, At(101));
  for (const uint8_t orphan : {1, 2, 4}) EXPECT_THAT(Sent(orphan), IsEmpty());
  EXPECT_THAT(Sent(3), SizeIs(1));
  EXPECT_THAT(log_.Expire(At(129)), IsEmpty());
  EXPECT_FALSE(log_.Adopt(Id(1), kSecond, {}).value());  // nobody to say farewell to
  EXPECT_THAT(log_.Expire(At(130)), ElementsAre(Id(2)));
  EXPECT_THAT(log_.Expire(At(400)), IsEmpty());
  EXPECT_EQ(PhaseOf(1), RequestPhase::kRunning);
  EXPECT_EQ(PhaseOf(2), RequestPhase::kUnknown);  // nobody shall take up what was given up
  EXPECT_EQ(PhaseOf(4), RequestPhase::kEnded);
  EXPECT_THAT(log_.Expire(At(701)), IsEmpty());
  EXPECT_EQ(PhaseOf(4), RequestPhase::kUnknown);  // like any other that has ended
  log_.Part(left, Text("late"));
  EXPECT_THAT(Sent(2), IsEmpty());
  EXPECT_EQ(ReceiverOf(Only(1)), kSecond);
}

TEST_F(RequestLogTest, OrphansAreGivenUpInTheOrderOfTheirIds) {
  for (const uint8_t number : {9, 3, 200, 4}) (void)Begin(Id(number));
  EXPECT_EQ(log_.CoordinatorLost(kFirst.coordinator, At(0)), 4u);
  EXPECT_THAT(log_.Expire(At(30)), ElementsAre(Id(3), Id(4), Id(9), Id(200)));
}

TEST_F(RequestLogTest, EndedRequestsAreKeptForTenMinutes) {
  const RequestRun first = Begin(Id(1)), second = Begin(Id(2));
  (void)Begin(Id(3));
  log_.End(first, {}, At(0));
  log_.End(second, {}, At(300));
  EXPECT_THAT(Sent(1), SizeIs(1));
  EXPECT_THAT(log_.Expire(At(599)), IsEmpty());
  EXPECT_EQ(PhaseOf(1), RequestPhase::kEnded);
  EXPECT_THAT(log_.Expire(At(600)), IsEmpty());
  EXPECT_EQ(PhaseOf(1), RequestPhase::kUnknown);
  EXPECT_THAT(log_.Expire(At(1000)), IsEmpty());
  EXPECT_EQ(PhaseOf(2), RequestPhase::kEnded);  // its owner has yet to hear of it
  EXPECT_EQ(log_.CoordinatorLost(kFirst.coordinator, At(1000)), 1u);
  EXPECT_THAT(log_.Expire(At(1000)), IsEmpty());
  EXPECT_EQ(PhaseOf(2), RequestPhase::kUnknown);
  EXPECT_EQ(PhaseOf(3), RequestPhase::kRunning);
}

TEST_F(RequestLogTest, ForgottenRequestMayComeAgain) {
  const RequestRun run = Begin(Id(1));
  EXPECT_EQ(log_.Forget(run), kFirst);
  EXPECT_EQ(log_.bytes(), 0u);
  const RequestRun again = Begin(Id(1));
  log_.Part(run, Text("late"));
  EXPECT_THAT(Sent(1), IsEmpty());
  log_.Part(again, Text("a"));
  EXPECT_EQ(PartOf(Only(1)).text, "a");
}

TEST(RequestLogLimitsTest, TooManyRequestsPushOutTheOldestThatEnded) {
  RequestLog log({.requests = 3});
  std::vector<RequestRun> runs;
  for (uint8_t i = 0; i < 3; ++i) runs.push_back(log.Begin(Id(i), kFirst, {}).value().run);
  for (const size_t i : {1, 0}) {
    log.End(runs[i], {}, At(0));
    (void)Take(log, runs[i].id);
  }
  (void)log.Begin(Id(3), kFirst, {}).value();
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(log.Query(Id(0)).phase, RequestPhase::kEnded);
  EXPECT_EQ(log.Query(Id(1)).phase, RequestPhase::kUnknown);
  EXPECT_EQ(log.Query(Id(2)).phase, RequestPhase::kRunning);
}

class FullRequestLog : public ::testing::Test {
 protected:
  static constexpr uint64_t kLimit = 20'000;

  RequestRun Begun(uint8_t number) { return log_.Begin(Id(number), kFirst, {}).value().run; }
  void Fill(const RequestRun& run) {
    for (int i = 0; i < 100; ++i) {
      log_.Part(run, Text(std::string(500, 'x')));
      EXPECT_LE(log_.bytes(), kLimit);
    }
  }

  RequestLog log_{{.bytes = kLimit}};
};

TEST_F(FullRequestLog, RunningRequestLosesItsOldestParts) {
  const RequestRun old = Begun(1);
  log_.Part(old, Text(std::string(5000, 'x')));
  log_.End(old, {}, At(0));
  (void)Take(log_, Id(1));
  const RequestRun run = Begun(2);
  Fill(run);
  EXPECT_EQ(log_.Query(Id(1)).phase, RequestPhase::kUnknown);
  EXPECT_EQ(log_.Query(Id(2)).parts, 100u);
  EXPECT_EQ(log_.Adopt(Id(2), kSecond, Sevens(50)).status().code(), Code::kNotFound);
  ASSERT_TRUE(log_.Adopt(Id(2), kSecond, Sevens(90)).ok());
  EXPECT_EQ(PartOf(*log_.Next(Id(2))).seq, 90u);
  EXPECT_EQ(log_.Forget(run), kSecond);
  EXPECT_EQ(log_.bytes(), 0u);
}

TEST_F(FullRequestLog, OwnerThatWasTooSlowHearsThatPartsAreGone) {
  const RequestRun run = Begun(1);
  Fill(run);
  const auto messages = Take(log_, Id(1));
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(CodeOf(messages[0]), Code::kDataLoss);
  EXPECT_THAT(log_.Expire(At(30)), ElementsAre(Id(1)));  // an orphan since
}

TEST(RequestLogBytes, LogprobsAndUsageCount) {
  RequestLog log;
  const RequestRun run = log.Begin(Id(1), kFirst, {}).value().run;
  const uint64_t before = log.bytes();
  TokenLogprobs token;
  token.top.resize(20);
  log.Part(run, {.tokens = {7}, .logprobs = {token}});
  EXPECT_GE(log.bytes(), before + 21 * sizeof(TokenLogprob));
  const uint64_t parts = log.bytes();
  Final final;
  final.usage.units.resize(10);
  log.End(run, final, At(0));
  EXPECT_GE(log.bytes(), parts + 10 * sizeof(UnitUsage));
}

}  // namespace
}  // namespace promptcache
