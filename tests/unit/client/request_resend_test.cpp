// What becomes of a request when its coordinator or a part of its answer is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/client/request_table_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using RequestResend = RequestTableTest;

constexpr char kTrace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

// ---- lost links ----

TEST_F(RequestResend, ALostLinkIsNoEndAndTheNextCoordinatorGetsWhatWasShown) {
  Up("a");
  Start(1, {.deadline = kDeadline, .trace = kTrace}, 2);
  TakeSent();
  Receive(1, Part(0, 7, 0));
  Receive(1, Part(1, 8, 1));
  Receive(1, Part(2, 9, 0));
  now_ += seconds(20);
  Down();
  EXPECT_THAT(ended_, IsEmpty());
  now_ += seconds(2);
  Up("b");
  const Envelope again = TakeSent();
  EXPECT_EQ(again.request_id, Id(1));
  EXPECT_EQ(again.attempt, 65'536u);
  EXPECT_EQ(again.timeout_ms, 38'000u);
  EXPECT_EQ(again.trace, kTrace);
  const auto& submit = std::get<Submit>(again.body);
  EXPECT_EQ(submit.prompt, "p");
  EXPECT_THAT(submit.tried, ElementsAre("a"));
  EXPECT_EQ(submit.delivered, (Delivered{.parts = 3, .samples = {{7, 9}, {8}}}));

  Receive(1, Part(3, 10));
  Receive(1, Final{});
  EXPECT_EQ(EndCode(), Code::kOk);
  EXPECT_EQ(shown_, "78910");
}

TEST_F(RequestResend, TheVersionThatItWasAcceptedWithGoesWithIt) {
  Up("a");
  Start(1);
  EXPECT_EQ(TakeSubmit().version, "");
  Receive(1, Accepted{.schema = "s", .version = "v1"});
  Down();
  Up("b");
  EXPECT_EQ(TakeSubmit().version, "v1");
}

TEST_F(RequestResend, WhereNothingWasShownNothingWasDelivered) {
  StartOverLink();
  Down();
  Up("b");
  EXPECT_EQ(TakeSubmit().delivered, Delivered{});
}

TEST_F(RequestResend, TheSameCoordinatorGetsItAgainAndIsNamedOnce) {
  StartOverLink();
  for (const uint32_t attempt : {1u, 2u, 3u}) {
    Down();
    Up("a");
    ASSERT_THAT(sent_, SizeIs(1));
    EXPECT_EQ(sent_[0].attempt, attempt * 65'536);
    EXPECT_THAT(TakeSubmit().tried, ElementsAre("a"));
  }
  Down();
  Up("b");
  Down();
  Up("c");
  EXPECT_THAT(TakeSubmit().tried, ElementsAre("a", "b"));
}

TEST_F(RequestResend, PartsThatComeAgainAreShownOnce) {
  StartOverLink();
  Receive(1, Part(0, 7));
  Receive(1, Part(0, 7));
  Receive(1, Part(1, 8));
  Down();
  Up("b");
  for (const uint32_t seq : {0u, 1u, 2u}) Receive(1, Part(seq, TokenId(7 + seq)));
  Receive(1, Final{.usage = {.generated_tokens = 3}});
  EXPECT_EQ(EndCode(), Code::kOk);
  EXPECT_THAT(ended_[0].tokens(), ElementsAre(7, 8, 9));
}

TEST_F(RequestResend, ALinkThatIsGoneIsNotHeard) {
  StartOverLink();
  Down();
  ReceiveOver(1, 1, Part(0, 7));
  Up("b");
  ReceiveOver(1, 1, Part(0, 7));
  ReceiveOver(1, 1, Final{});
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(shown_, "");
  EXPECT_EQ(table_.unexpected(), 3u);
}

TEST_F(RequestResend, AfterTheDeadlineTheNextCoordinatorIsNotGivenNewTime) {
  StartOverLink();
  now_ += kDeadline + milliseconds(100);
  Down();
  Up("b");
  EXPECT_EQ(TakeSent().timeout_ms, 1u);  // 0 would be the coordinator's own deadline
}

TEST_F(RequestResend, ARequestThatIsGivenAwayForeverEnds) {
  StartOverLink();
  uint32_t losses = 0;
  for (; ended_.empty() && losses < 70'000; ++losses) {
    Down();
    Up();
    sent_.clear();
  }
  EXPECT_EQ(EndCode(), Code::kUnavailable);
  EXPECT_EQ(losses, 65'536u);
}

// ---- lost parts ----

TEST_F(RequestResend, AGapLeavesTheLinkAndTheNextOneGoesOnBehindWhatWasShown) {
  StartOverLink(1);
  StartOverLink(2);
  Receive(1, Part(0, 7));
  Receive(1, Part(2, 9));
  ASSERT_THAT(left_, SizeIs(1));
  EXPECT_THAT(left_[0].message(), HasSubstr("'a'"));
  Receive(1, Part(1, 8));  // late; the next link says it again
  EXPECT_EQ(shown_, "7");
  Down("left");
  Up("b");
  ASSERT_THAT(sent_, SizeIs(2));  // the other one's parts may be lost as well
  EXPECT_EQ(sent_[0].attempt, 65'536u);
  EXPECT_EQ(std::get<Submit>(sent_[0].body).delivered, (Delivered{.parts = 1, .samples = {{7}}}));
  Receive(1, Part(1, 8));
  Receive(1, Final{});
  EXPECT_EQ(EndCode(), Code::kOk);
  EXPECT_EQ(shown_, "78");
}

TEST_F(RequestResend, AGoodEndThatCountsMoreTokensThanCameIsAGap) {
  StartOverLink();
  Receive(1, Part(0, 7));
  Receive(1, Final{.usage = {.generated_tokens = 2}});
  EXPECT_THAT(left_, SizeIs(1));
  EXPECT_THAT(ended_, IsEmpty());
}

TEST_F(RequestResend, ABadEndMayCountMoreTokensThanCame) {
  StartOverLink();
  Receive(1, Final{.code = Code::kDataLoss, .usage = {.generated_tokens = 2}});
  EXPECT_EQ(EndCode(), Code::kDataLoss);
}

TEST_F(RequestResend, TheFourthGapEndsTheRequestAndKeepsTheLink) {
  StartOverLink();
  for (int gap = 0; gap < 3; ++gap) {
    Receive(1, Part(1, 8));
    Up();
    TakeSent();
  }
  EXPECT_THAT(left_, SizeIs(3));
  Receive(1, Part(1, 8));
  EXPECT_THAT(left_, SizeIs(3));
  EXPECT_EQ(EndCode(), Code::kUnavailable);
  EXPECT_THAT(ended_[0].status.message(), HasSubstr("lost 4 times"));
  EXPECT_TRUE(std::holds_alternative<Cancel>(TakeSent().body));
}

}  // namespace
}  // namespace promptcache::testing
