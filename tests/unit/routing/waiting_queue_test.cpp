#include "coordinator/routing/waiting_queue.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/routing/routing_samples.h"

namespace promptcache::testing {
namespace {

bool Any(const WaitingRequest&) { return true; }

// "" when there is none.
std::string TakeTenant(WaitingQueue& queue) {
  const auto taken = queue.Take(Any);
  return taken ? taken->tenant : "";
}

TEST(WaitingQueue, TenantsShareBySecondsOfWork) {
  WaitingQueue queue(100);
  for (uint8_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "many", .work_s = 1}).ok());
  }
  for (uint8_t i = 40; i < 50; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "large", .work_s = 4}).ok());
  }
  std::map<std::string, int> taken;
  for (int i = 0; i < 25; ++i) ++taken[TakeTenant(queue)];
  EXPECT_EQ(taken["many"], 20);
  EXPECT_EQ(taken["large"], 5);
}

TEST(WaitingQueue, ATenantThatComesBackIsNotPaidForItsAbsence) {
  WaitingQueue queue(100);
  for (uint8_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "a", .work_s = 1}).ok());
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(TakeTenant(queue), "a");
  for (uint8_t i = 20; i < 30; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "b", .work_s = 1}).ok());
  }
  std::map<std::string, int> taken;
  for (int i = 0; i < 10; ++i) ++taken[TakeTenant(queue)];
  EXPECT_NEAR(taken["a"], 5, 1);
}

TEST(WaitingQueue, ATenantIsNotForgivenWhatItWasGivenAhead) {
  WaitingQueue queue(100);
  ASSERT_TRUE(queue.Add({.id = Id(1), .tenant = "a", .work_s = 10}).ok());
  for (uint8_t i = 10; i < 30; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "b", .work_s = 1}).ok());
  }
  EXPECT_EQ(TakeTenant(queue), "a");
  ASSERT_TRUE(queue.Add({.id = Id(2), .tenant = "a", .work_s = 10}).ok());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(TakeTenant(queue), "b");
  EXPECT_EQ(TakeTenant(queue), "a");
}

TEST(WaitingQueue, HigherPrioritiesOfATenantGoFirst) {
  WaitingQueue queue(10);
  ASSERT_TRUE(queue.Add({.id = Id(1), .priority = 1, .deadline = At(1)}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(2), .priority = 3, .deadline = At(3)}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(3), .priority = 2, .deadline = At(2)}).ok());
  EXPECT_EQ(queue.Take(Any)->id, Id(2));
  EXPECT_EQ(queue.Take(Any)->id, Id(3));
  EXPECT_EQ(queue.Take(Any)->id, Id(1));
}

TEST(WaitingQueue, PrioritiesDoNotPassOtherTenants) {
  WaitingQueue queue(100);
  for (uint8_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "loud", .priority = 9, .work_s = 1}).ok());
  }
  for (uint8_t i = 20; i < 30; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "quiet", .priority = 1, .work_s = 1}).ok());
  }
  std::map<std::string, int> taken;
  for (int i = 0; i < 20; ++i) ++taken[TakeTenant(queue)];
  EXPECT_EQ(taken["quiet"], 10);
}

TEST(WaitingQueue, WhatIsInTheBackgroundYieldsToEveryTenant) {
  WaitingQueue queue(10);
  ASSERT_TRUE(queue.Add({.id = Id(1), .tenant = "a", .priority = 1, .work_s = 9}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(2), .tenant = "a", .priority = 1, .work_s = 9}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(3), .tenant = "b", .priority = 0, .work_s = 1}).ok());
  EXPECT_EQ(TakeTenant(queue), "a");
  EXPECT_EQ(TakeTenant(queue), "a");
  EXPECT_EQ(TakeTenant(queue), "b");
  EXPECT_EQ(TakeTenant(queue), "");
}

TEST(WaitingQueue, ATenantsRequestsGoByDeadlineThenAsTheyCame) {
  WaitingQueue queue(10);
  ASSERT_TRUE(queue.Add({.id = Id(1), .deadline = At(5)}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(2), .deadline = At(1)}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(3), .deadline = At(5)}).ok());
  EXPECT_EQ(queue.Take(Any)->id, Id(2));
  EXPECT_EQ(queue.Take(Any)->id, Id(1));
  EXPECT_EQ(queue.Take(Any)->id, Id(3));
}

TEST(WaitingQueue, WhatCannotGoStaysAndLetsOthersPass) {
  WaitingQueue queue(10);
  ASSERT_TRUE(queue.Add({.id = Id(1), .tenant = "a"}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(2), .tenant = "a"}).ok());
  const auto not_the_first = [](const WaitingRequest& one) { return one.id != Id(1); };
  EXPECT_EQ(queue.Take(not_the_first)->id, Id(2));
  EXPECT_FALSE(queue.Take(not_the_first));
  EXPECT_EQ(queue.Take(Any)->id, Id(1));
}

TEST(WaitingQueue, AsksAboutABoundedNumber) {
  WaitingQueue queue(200);
  for (uint8_t i = 0; i < 200; ++i) ASSERT_TRUE(queue.Add({.id = Id(i)}).ok());
  int asked = 0;
  EXPECT_FALSE(queue.Take([&](const WaitingRequest&) { return ++asked < 0; }));
  EXPECT_EQ(asked, 48);
}

TEST(WaitingQueue, IsBoundedAndHasEachRequestOnce) {
  WaitingQueue queue(2);
  ASSERT_TRUE(queue.Add({.id = Id(1), .work_s = 1}).ok());
  EXPECT_EQ(queue.Add({.id = Id(1)}).code(), Code::kAlreadyExists);
  ASSERT_TRUE(queue.Add({.id = Id(2), .work_s = 2}).ok());
  EXPECT_EQ(queue.Add({.id = Id(3)}).code(), Code::kBusy);
  EXPECT_DOUBLE_EQ(queue.AheadOf("", 0), 3);
  EXPECT_TRUE(queue.Remove(Id(1)));
  EXPECT_FALSE(queue.Remove(Id(1)));
  EXPECT_DOUBLE_EQ(queue.AheadOf("", 0), 2);
  EXPECT_EQ(queue.size(), 1u);
}

TEST(WaitingQueue, AheadOfATenantIsItsOwnAndOfOthersWhatTheyGetInTurn) {
  WaitingQueue queue(100);
  for (uint8_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "many", .priority = 1, .work_s = 1}).ok());
  }
  EXPECT_DOUBLE_EQ(queue.AheadOf("quiet", 1), 0) << "it is next";
  EXPECT_DOUBLE_EQ(queue.AheadOf("many", 1), 40);
  for (uint8_t i = 40; i < 43; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "quiet", .priority = 1, .work_s = 1}).ok());
  }
  EXPECT_DOUBLE_EQ(queue.AheadOf("quiet", 1), 3 + 3);
  EXPECT_DOUBLE_EQ(queue.AheadOf("many", 1), 40 + 3) << "no more than the other has";
}

TEST(WaitingQueue, WhatATenantWasGivenAheadPutsOthersBeforeIt) {
  WaitingQueue queue(100);
  ASSERT_TRUE(queue.Add({.id = Id(1), .tenant = "a", .priority = 1, .work_s = 10}).ok());
  for (uint8_t i = 10; i < 30; ++i) {
    ASSERT_TRUE(queue.Add({.id = Id(i), .tenant = "b", .priority = 1, .work_s = 1}).ok());
  }
  EXPECT_EQ(TakeTenant(queue), "a");
  EXPECT_DOUBLE_EQ(queue.AheadOf("a", 1), 10);
  EXPECT_DOUBLE_EQ(queue.AheadOf("c", 1), 0);
}

TEST(WaitingQueue, NothingInTheBackgroundIsAheadOfOthersAndAllOthersAreAheadOfIt) {
  WaitingQueue queue(10);
  ASSERT_TRUE(queue.Add({.id = Id(1), .tenant = "a", .priority = 1, .work_s = 2}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(2), .tenant = "b", .priority = 1, .work_s = 3}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(3), .tenant = "batch", .priority = 0, .work_s = 100}).ok());
  EXPECT_DOUBLE_EQ(queue.AheadOf("a", 1), 2 + 2);
  EXPECT_DOUBLE_EQ(queue.AheadOf("batch", 1), 0);
  EXPECT_DOUBLE_EQ(queue.AheadOf("a", 0), 2 + 3);
  EXPECT_DOUBLE_EQ(queue.AheadOf("batch", 0), 2 + 3 + 100);
}

TEST(WaitingQueue, GivesOutWhatIsPastItsDeadline) {
  WaitingQueue queue(10);
  ASSERT_TRUE(queue.Add({.id = Id(1), .deadline = At(1)}).ok());
  ASSERT_TRUE(queue.Add({.id = Id(2), .deadline = At(3)}).ok());
  const auto expired = queue.TakeExpired(At(2));
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].id, Id(1));
  EXPECT_EQ(queue.size(), 1u);
}

}  // namespace
}  // namespace promptcache::testing
