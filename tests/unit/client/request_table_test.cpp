// The contract of a request, line by line, without a network: what goes in, what comes out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "cluster/wire/traceparent.h"
#include "tests/unit/client/request_table_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- one end ----

TEST_F(RequestTableTest, ARequestStreamsAndEndsOnce) {
  Up();
  Start(1);
  EXPECT_EQ(sent_[0].attempt, 0u);
  EXPECT_EQ(sent_[0].timeout_ms, 60'000u);
  Receive(1, Accepted{.schema = "s", .version = "v"});
  now_ += milliseconds(30);
  Receive(1, Part(0, 7));
  now_ += milliseconds(10);
  Receive(1, Part(1, 8));
  Receive(1, Final{.usage = {.generated_tokens = 2}});
  Receive(1, Final{});
  Receive(1, Part(2, 9));
  ASSERT_THAT(ended_, SizeIs(1));
  EXPECT_TRUE(ended_[0].status.ok()) << ended_[0].status.ToString();
  EXPECT_EQ(ended_[0].request_id, Id(1));
  EXPECT_EQ(ended_[0].schema, "s");
  EXPECT_THAT(ended_[0].tokens(), ElementsAre(7, 8));
  EXPECT_EQ(ended_[0].client_ttft_ms, 30);
  EXPECT_EQ(ended_[0].client_total_ms, 40);
  EXPECT_EQ(shown_, "78");
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(table_.unexpected(), 2u);
}

TEST_F(RequestTableTest, WithoutAnAnswerItEndsHalfASecondAfterTheDeadline) {
  StartOverLink();
  Pass(kDeadline + milliseconds(499));
  EXPECT_THAT(ended_, IsEmpty());
  Pass(milliseconds(1));
  EXPECT_EQ(EndCode(), Code::kDeadlineExceeded);
  EXPECT_TRUE(std::holds_alternative<Cancel>(TakeSent().body));
}

TEST_F(RequestTableTest, ItEndsAfterTheDeadlineWhereNoLinkIsUpEither) {
  RequestTable patient(hours(1));
  Do(patient.Start(Id(1), {}, {.deadline = seconds(1)}, now_));
  Do(patient.Tick(now_ + milliseconds(1'500)));
  EXPECT_EQ(EndCode(), Code::kDeadlineExceeded);
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RequestTableTest, DeadlinesOutOfRangeBecomeTheNearestOne) {
  Up();
  Start(1, {.deadline = milliseconds(-5)});
  EXPECT_EQ(TakeSent().timeout_ms, 1u);
  Start(2, {.deadline = milliseconds::max()});
  EXPECT_EQ(TakeSent().timeout_ms, 365ull * 24 * 3600 * 1000);
}

TEST_F(RequestTableTest, NoCoordinatorForTheReachTimeoutIsUnavailable) {
  Down("'a' does not answer");
  Start(1);
  Pass(kReach - milliseconds(1));
  EXPECT_THAT(ended_, IsEmpty());
  Pass(milliseconds(1));
  EXPECT_EQ(EndCode(), Code::kUnavailable);
  EXPECT_THAT(ended_[0].status.message(), HasSubstr("'a' does not answer"));
}

TEST_F(RequestTableTest, TheReachTimeoutCountsFromTheLossOfTheLink) {
  StartOverLink();
  Pass(kReach * 2);
  Down();
  Pass(kReach - milliseconds(1));
  EXPECT_THAT(ended_, IsEmpty());
  Pass(milliseconds(1));
  EXPECT_EQ(EndCode(), Code::kUnavailable);
}

TEST_F(RequestTableTest, RequestsWaitForTheFirstLinkAndGoInTheOrderOfTheirArrival) {
  for (const uint8_t id : {3, 1, 2}) Start(id);
  EXPECT_THAT(sent_, IsEmpty());
  now_ += seconds(1);
  Up();
  ASSERT_THAT(sent_, SizeIs(3));
  EXPECT_EQ(sent_[0].request_id, Id(3));
  EXPECT_EQ(sent_[1].request_id, Id(1));
  EXPECT_EQ(sent_[2].request_id, Id(2));
  EXPECT_EQ(sent_[0].attempt, 0u);
  EXPECT_EQ(sent_[0].timeout_ms, 59'000u);
  EXPECT_THAT(TakeSubmit().tried, IsEmpty());
}

TEST_F(RequestTableTest, ARefusedSubmitEnds) {
  StartOverLink(1);
  Receive(1, Final{.code = Code::kNotFound, .message = "no schema 'x'"});
  EXPECT_EQ(EndCode(), Code::kNotFound);
  EXPECT_EQ(ended_[0].status.message(), "no schema 'x'");
  ended_.clear();
  StartOverLink(2);
  Receive(2, Reply{.code = Code::kFailedPrecondition, .message = "not here"});
  EXPECT_EQ(EndCode(), Code::kFailedPrecondition);
}

TEST_F(RequestTableTest, WhatAnswersNoSubmitEndsItOnBothSides) {
  for (const Message& body : {Message(Reply{}), Message(StatusReply{}), Message(Part(0, 7, 1))}) {
    StartOverLink();
    Receive(1, body);
    EXPECT_EQ(EndCode(), Code::kUnavailable);
    EXPECT_TRUE(std::holds_alternative<Cancel>(TakeSent().body));
    ended_.clear();
  }
  EXPECT_EQ(shown_, "");
}

TEST_F(RequestTableTest, BusySaysWhenToTryAgain) {
  StartOverLink(1);
  Receive(1, Final{.code = Code::kBusy, .retry_after_ms = 1'500});
  EXPECT_EQ(EndCode(), Code::kBusy);
  EXPECT_EQ(ended_[0].retry_after, milliseconds(1'500));
  ended_.clear();
  StartOverLink(2);
  Receive(2, Final{.code = Code::kBusy, .retry_after_ms = std::numeric_limits<uint64_t>::max()});
  EXPECT_EQ(ended_[0].retry_after, hours(24 * 365));
  EXPECT_THAT(sent_, IsEmpty());  // not by itself
}

TEST_F(RequestTableTest, WhatCannotBeValidIsNotSent) {
  Up();
  Start(1, {}, 0);
  EXPECT_EQ(EndCode(), Code::kInvalidArgument);
  ended_.clear();
  Start(2, {.trace = "00-1-2-01"});
  EXPECT_EQ(EndCode(), Code::kInvalidArgument);
  EXPECT_THAT(ended_[0].status.message(), HasSubstr("traceparent"));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RequestTableTest, OneTraceGoesWithAllThatIsSent) {
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
  Up();
  Start(1, {.deadline = kDeadline, .trace = trace});
  EXPECT_EQ(TakeSent().trace, trace);
  Do(table_.Cancel(Id(1), now_));
  const Envelope cancel = TakeSent();
  EXPECT_EQ(cancel.trace, trace);
  Do(table_.SendFailed(cancel, Busy("full"), now_));
  Pass(milliseconds(100));
  EXPECT_EQ(TakeSent().trace, trace) << "also with what had to wait";
  Pass(kDeadline + seconds(1));
  EXPECT_EQ(TakeSent().trace, trace) << "also with the last cancel";
}

TEST_F(RequestTableTest, WithoutATraceOneIsMadeOfTheRequestsId) {
  Up();
  Start(1);
  EXPECT_EQ(TakeSent().trace, TraceparentOf(Id(1)));
}

TEST_F(RequestTableTest, TriedAndDeliveredAreNotTheCallers) {
  Up();
  Do(table_.Start(Id(1), {.tried = {"x"}, .delivered = {.parts = 3, .samples = {{1}}}}, {}, now_));
  const Submit submit = TakeSubmit();
  EXPECT_THAT(submit.tried, IsEmpty());
  EXPECT_EQ(submit.delivered, Delivered{});
}

TEST_F(RequestTableTest, AnswersToUnknownRequestsAreIgnoredAndCounted) {
  StartOverLink();
  Receive(9, Part(0, 7));
  Receive(9, Final{});
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(shown_, "");
  EXPECT_EQ(table_.unexpected(), 2u);
}

TEST_F(RequestTableTest, TheEndOfTheClientEndsAllOnBothSides) {
  StartOverLink(1);
  StartOverLink(2);
  Do(table_.EndAll(Cancelled("closed"), now_));
  EXPECT_THAT(ended_, SizeIs(2));
  EXPECT_TRUE(std::holds_alternative<Cancel>(TakeSent().body));
  EXPECT_TRUE(std::holds_alternative<Cancel>(TakeSent().body));
  EXPECT_EQ(table_.size(), 0u);
}

// ---- cancel ----

TEST_F(RequestTableTest, CancelEndsWhenTheCoordinatorSaysSo) {
  StartOverLink();
  Do(table_.Cancel(Id(1), now_));
  Do(table_.Cancel(Id(1), now_));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<Cancel>(sent_[0].body));
  EXPECT_THAT(ended_, IsEmpty());
  Receive(1, Final{.code = Code::kCancelled, .message = "cancelled by the client"});
  EXPECT_EQ(EndCode(), Code::kCancelled);
}

TEST_F(RequestTableTest, CancelWithoutALinkEndsAtOnce) {
  Start(1);
  Do(table_.Cancel(Id(1), now_));
  EXPECT_EQ(EndCode(), Code::kCancelled);
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RequestTableTest, ACancelledRequestIsNotSentAgain) {
  StartOverLink();
  Do(table_.Cancel(Id(1), now_));
  sent_.clear();
  Down();
  EXPECT_EQ(EndCode(), Code::kCancelled);
  Up("b");
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RequestTableTest, CancelEndsAtTheLatestAfterTheDeadline) {
  StartOverLink();
  Do(table_.Cancel(Id(1), now_));
  Pass(kDeadline + kDeadlineGrace);
  EXPECT_EQ(EndCode(), Code::kCancelled);
}

TEST_F(RequestTableTest, CancelOfUnknownRequestsIsIgnored) {
  Up();
  Do(table_.Cancel(Id(9), now_));
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_THAT(ended_, IsEmpty());
}

// ---- what does not go out ----

TEST_F(RequestTableTest, ASubmitThatFindsNobodyWaitsForTheLinkToGo) {
  StartOverLink();
  Down();
  Up();
  const Envelope again = TakeSent();
  Do(table_.SendFailed(again, Unavailable("nobody there"), now_));
  EXPECT_THAT(ended_, IsEmpty());
  Down();
  Up("b");
  EXPECT_EQ(sent_[0].attempt, again.attempt);  // nobody has had the last one
  EXPECT_THAT(TakeSubmit().tried, ElementsAre("a"));
}

TEST_F(RequestTableTest, AFullQueueRefusesANewRequestAndDelaysAnOldOne) {
  Up();
  Start(1);
  Do(table_.SendFailed(TakeSent(), Busy("the queue is full"), now_));
  EXPECT_EQ(EndCode(), Code::kBusy);
  ended_.clear();

  StartOverLink(2);
  Down();
  Up("b");
  Do(table_.SendFailed(TakeSent(), Busy("the queue is full"), now_));
  EXPECT_THAT(ended_, IsEmpty());
  Pass(milliseconds(100));
  EXPECT_EQ(TakeSent().attempt, 65'536u);
  Pass(milliseconds(100));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RequestTableTest, ASubmitThatIsTooLargeEnds) {
  Up();
  Start(1);
  Do(table_.SendFailed(TakeSent(), ResourceExhausted("over the limit"), now_));
  EXPECT_EQ(EndCode(), Code::kResourceExhausted);
}

TEST_F(RequestTableTest, ACancelThatFindsNoRoomGoesOutWithTheNextTick) {
  StartOverLink();
  Do(table_.Cancel(Id(1), now_));
  Do(table_.SendFailed(TakeSent(), Busy("the queue is full"), now_));
  EXPECT_EQ(table_.size(), 1U);
  Do(table_.Tick(now_));
  EXPECT_TRUE(std::holds_alternative<Cancel>(TakeSent().body));
  Do(table_.EndAll(Cancelled("closing"), now_));
  Do(table_.SendFailed(TakeSent(), Busy("the queue is full"), now_));
  EXPECT_EQ(table_.size(), 0U);
  EXPECT_FALSE(table_.idle());
  Do(table_.Tick(now_));
  EXPECT_TRUE(std::holds_alternative<Cancel>(TakeSent().body));
  EXPECT_TRUE(table_.idle());
}

TEST_F(RequestTableTest, ACancelThatDoesNotGoOutEndsAtOnce) {
  StartOverLink();
  Do(table_.Cancel(Id(1), now_));
  Do(table_.SendFailed(TakeSent(), Unavailable("nobody there"), now_));
  EXPECT_EQ(EndCode(), Code::kCancelled);
}

}  // namespace
}  // namespace promptcache::testing
