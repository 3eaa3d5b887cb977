#include "coordinator/fair_queue.h"

#include <gtest/gtest.h>

namespace promptcache {
namespace {

TEST(FairQueue, ATenantsItemsGoInTheOrderOfTheirArrival) {
  FairQueue<int> queue(100);
  for (const int item : {1, 2, 3}) ASSERT_TRUE(queue.Add("a", item, 1).ok());
  for (const int item : {1, 2, 3}) EXPECT_EQ(queue.Take(), item);
  EXPECT_EQ(queue.Take(), std::nullopt);
}

TEST(FairQueue, ANewcomerWaitsForNoOneElsesWholeQueue) {
  FairQueue<std::string> queue(1'000);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(queue.Add("many", "many", 10).ok());
  EXPECT_EQ(queue.Take(), "many");
  EXPECT_EQ(queue.Take(), "many");
  ASSERT_TRUE(queue.Add("new", "new", 10).ok());
  EXPECT_EQ(queue.Take(), "new");
}

TEST(FairQueue, TenantsShareByBytes) {
  FairQueue<std::string> queue(10'000);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(queue.Add("large", "large", 100).ok());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(queue.Add("small", "small", 10).ok());
  int large = 0;
  for (int i = 0; i < 33; ++i) large += queue.Take() == "large" ? 1 : 0;
  EXPECT_EQ(large, 3);
}

TEST(FairQueue, ATenantThatComesBackIsNotForgivenWhatItWasGivenAhead) {
  FairQueue<std::string> queue(1'000);
  ASSERT_TRUE(queue.Add("a", "a", 100).ok());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(queue.Add("b", "b", 10).ok());
  EXPECT_EQ(queue.Take(), "a");
  ASSERT_TRUE(queue.Add("a", "a", 100).ok());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(queue.Take(), "b") << i;
  EXPECT_EQ(queue.Take(), "a");
}

TEST(FairQueue, WhoFillsItLeavesRoomForOthers) {
  FairQueue<int> queue(100);
  int held = 0;
  while (queue.Add("greedy", 0, 1).ok()) ++held;
  EXPECT_EQ(held, 50);
  EXPECT_EQ(queue.Add("greedy", 0, 1).code(), Code::kBusy);
  EXPECT_TRUE(queue.Add("other", 0, 20).ok());
  EXPECT_EQ(queue.Add("other", 0, 20).code(), Code::kBusy);
  EXPECT_TRUE(queue.Add("third", 0, 15).ok());
  queue.Take();
  EXPECT_EQ(queue.Add("greedy", 0, 1).code(), Code::kBusy) << "it has more than is free";
}

TEST(FairQueue, WhatWaitsOnceMoreIsNotRefused) {
  FairQueue<int> queue(100);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(queue.Add("a", i, 10).ok());
  EXPECT_EQ(queue.Take(), 0);
  ASSERT_TRUE(queue.Add("a", 5, 10).ok());
  queue.AddAgain("a", 0, 10);
  EXPECT_EQ(queue.Add("a", 6, 1).code(), Code::kBusy);
  for (const int item : {1, 2, 3, 4, 5, 0}) EXPECT_EQ(queue.Take(), item);
}

TEST(FairQueue, AnItemLargerThanTheBoundIsTakenWhenNothingWaits) {
  FairQueue<int> queue(100);
  EXPECT_TRUE(queue.Add("a", 1, 200).ok());
  EXPECT_EQ(queue.Add("b", 2, 1).code(), Code::kBusy);
  EXPECT_EQ(queue.Take(), 1);
  EXPECT_TRUE(queue.Add("b", 2, 1).ok());
}

}  // namespace
}  // namespace promptcache
