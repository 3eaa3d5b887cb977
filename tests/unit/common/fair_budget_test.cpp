#include "common/fair_budget.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace promptcache {
namespace {

// As many parts of one as the holder gets.
std::vector<Budget::Part> Fill(FairBudget<>& budget, const std::string& holder) {
  std::vector<Budget::Part> parts;
  while (Budget::Part part = budget.Take(holder, 1)) parts.push_back(std::move(part));
  return parts;
}

TEST(FairBudget, OneAloneHasHalf) {
  FairBudget budget(64);
  EXPECT_EQ(Fill(budget, "a").size(), 32u);
}

TEST(FairBudget, ManyThatTakeWhatTheyGetLeaveSomethingForTheNext) {
  FairBudget budget(1 << 10);
  std::vector<std::vector<Budget::Part>> held;
  for (int i = 0; i < 9; ++i) held.push_back(Fill(budget, "greedy" + std::to_string(i)));
  EXPECT_TRUE(budget.Fits("another", 1));
  EXPECT_EQ(held.back().size(), 2u);
}

TEST(FairBudget, AnythingUpToTheLimitFitsWhenNobodyHasAnything) {
  FairBudget budget(64);
  EXPECT_EQ(budget.Take("a", 65), nullptr);
  const Budget::Part all = budget.Take("a", 64);
  EXPECT_NE(all, nullptr);
  EXPECT_EQ(budget.Take("b", 1), nullptr);
}

TEST(FairBudget, AmountsBeyondAllBoundsDoNotFit) {
  FairBudget budget(64);
  const Budget::Part some = budget.Take("a", 1);
  EXPECT_FALSE(budget.Fits("a", UINT64_MAX));
  EXPECT_FALSE(budget.Fits("b", UINT64_MAX / 2 + 1));
}

TEST(FairBudget, APartGoesBackWithItsLastCopyAlsoWhenTheBudgetIsGone) {
  Budget::Part outlives;
  {
    FairBudget budget(64);
    Budget::Part part = budget.Take("a", 16);
    Budget::Part copy = part;
    part = nullptr;
    EXPECT_EQ(budget.used("a"), 16u);
    EXPECT_EQ(budget.used(), 16u);
    copy = nullptr;
    EXPECT_EQ(budget.used("a"), 0u);
    EXPECT_EQ(budget.used(), 0u);
    outlives = budget.Take("a", 1);
  }
  EXPECT_NE(outlives, nullptr);
}

TEST(FairBudget, KnowsWhoHasSomethingHoweverManyCameAndWent) {
  FairBudget<int> budget(1 << 20);
  const Budget::Part stays = budget.Take(-1, 7);
  for (int i = 0; i < 1'000; ++i) ASSERT_NE(budget.Take(i, 1), nullptr);
  EXPECT_EQ(budget.used(-1), 7u);
  EXPECT_EQ(budget.used(), 7u);
  EXPECT_EQ(budget.used(3), 0u);
}

}  // namespace
}  // namespace promptcache
