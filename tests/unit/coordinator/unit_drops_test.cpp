#include "coordinator/session/unit_drops.h"

#include <gtest/gtest.h>

namespace promptcache {
namespace {

constexpr PeerId kClient = 1;
constexpr PeerId kFirst = 11;
constexpr PeerId kSecond = 12;

class Drops : public ::testing::Test {
 protected:
  void SetUp() override {
    drops_.Start(id_, {.client = kClient, .request = request_, .waits_for = {kFirst, kSecond}});
  }
  void Answer(PeerId worker, uint64_t dropped) {
    drops_.AnswerReceived(id_, worker, "worker-" + std::to_string(worker),
                          {{{.worker = "somebody", .dropped = dropped}}});
  }

  const RequestId id_ = RequestId::Random();
  const RequestId request_ = RequestId::Random();
  UnitDrops drops_;
};

TEST_F(Drops, AreCompleteWhenEveryWorkerHasAnswered) {
  Answer(kFirst, 2);
  EXPECT_TRUE(drops_.TakeComplete().empty());
  Answer(kFirst, 5);
  EXPECT_TRUE(drops_.TakeComplete().empty());
  Answer(kSecond, 0);
  const auto complete = drops_.TakeComplete();
  ASSERT_EQ(complete.size(), 1U);
  EXPECT_EQ(complete[0].client, kClient);
  EXPECT_EQ(complete[0].request, request_);
  EXPECT_EQ(complete[0].report,
            (UnitsDropped{{{.worker = "worker-11", .dropped = 2}, {.worker = "worker-12"}}}));
  EXPECT_EQ(drops_.size(), 0U);
}

TEST_F(Drops, DoNotWaitForAWorkerThatIsGone) {
  Answer(kFirst, 2);
  drops_.WorkerGone(kSecond);
  const auto complete = drops_.TakeComplete();
  ASSERT_EQ(complete.size(), 1U);
  EXPECT_EQ(complete[0].report.workers.size(), 1U);
}

TEST_F(Drops, AreForgottenWithTheirClient) {
  drops_.ClientGone(kClient);
  EXPECT_EQ(drops_.size(), 0U);
  Answer(kFirst, 2);
  EXPECT_TRUE(drops_.TakeComplete().empty());
}

TEST_F(Drops, IgnoreWhoWasNotAskedAndWhatIsNoReport) {
  Answer(99, 1);
  drops_.AnswerReceived(id_, kFirst, "worker-11", {});
  drops_.AnswerReceived(RequestId::Random(), kFirst, "worker-11", {{{.worker = "x"}}});
  drops_.WorkerGone(kSecond);
  EXPECT_TRUE(drops_.TakeComplete().empty());
}

}  // namespace
}  // namespace promptcache
