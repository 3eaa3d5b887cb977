#include "coordinator/routing/routing.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace promptcache::testing {
namespace {

RecipeDigest Recipe(uint8_t n) {
  RecipeDigest digest;
  digest.bytes.fill(n);
  return digest;
}

IdentityDigest IdentityOf(const std::string& weights) {
  return Identity{.weights = weights}.Digest();
}

// Workers with what they hold, and whom the policy chooses.
class Fleet {
 public:
  RouteWorker& Add(const std::string& name, uint32_t slots = 4) {
    return workers_
        .emplace(name, RouteWorker{.name = name,
                                   .identity = IdentityOf("w"),
                                   .slots = slots,
                                   .resident = &held_[name]})
        .first->second;
  }
  void Remove(const std::string& name) { workers_.erase(name); }
  void Hold(const std::string& name, uint8_t recipe) {
    held_[name].insert(MakeUnitKey(workers_[name].identity, 0, Recipe(recipe)));
  }

  std::optional<RouteDecision> Decide(const Plan& plan, const std::string& affinity,
                                      uint32_t slots = 1) const {
    std::vector<RouteWorker> list;
    for (const auto& [name, worker] : workers_) list.push_back(worker);
    return ChooseWorker({.affinity = affinity, .plan = &plan, .slots = slots}, list);
  }
  std::string Choose(const Plan& plan, const std::string& affinity = "s@v",
                     uint32_t slots = 1) const {
    const auto decision = Decide(plan, affinity, slots);
    return decision ? decision->scores[decision->chosen].worker : "none";
  }

 private:
  std::map<std::string, RouteWorker> workers_;
  std::map<std::string, std::unordered_set<UnitKey>> held_;
};

// One unit for each number of rows; the n-th has recipe n.
Plan PlanWithRows(const std::vector<uint32_t>& rows) {
  Plan plan;
  for (size_t n = 0; n < rows.size(); ++n) {
    plan.units.push_back({.digest = Recipe(static_cast<uint8_t>(n)), .tokens = rows[n]});
    plan.segments.push_back({.unit = static_cast<uint32_t>(n), .rows = rows[n]});
  }
  return plan;
}

TEST(Routing, NoWorkerIsNoDecision) { EXPECT_EQ(Fleet().Choose(PlanWithRows({8})), "none"); }

TEST(Routing, OnlyWorkerIsChosenEvenWithoutAFreeSlot) {
  Fleet fleet;
  fleet.Add("a", 1).assigned = 1;
  EXPECT_EQ(fleet.Choose(PlanWithRows({8})), "a");
}

TEST(Routing, WorkerWithMostTokensOfThePlanIsChosenNotTheOneWithMostUnits) {
  for (const std::string rich : {"a", "b"}) {
    const std::string poor = rich == "a" ? "b" : "a";
    Fleet fleet;
    fleet.Add("a");
    fleet.Add("b");
    fleet.Hold(poor, 0);
    fleet.Hold(poor, 1);
    fleet.Hold(rich, 2);
    EXPECT_EQ(fleet.Choose(PlanWithRows({10, 10, 21})), rich);
    EXPECT_EQ(fleet.Choose(PlanWithRows({10, 12, 21})), poor);
  }
}

TEST(Routing, RowsThatThePlanDoesNotReadDoNotCount) {
  for (const std::string rich : {"a", "b"}) {
    Fleet fleet;
    fleet.Add("a");
    fleet.Add("b");
    fleet.Hold(rich == "a" ? "b" : "a", 0);
    fleet.Hold(rich, 1);
    Plan plan = PlanWithRows({3, 4});
    plan.units[0].tokens = 1'000;
    EXPECT_EQ(fleet.Choose(plan), rich);
  }
}

TEST(Routing, SegmentsOfOneUnitAreAddedUp) {
  Fleet fleet;
  fleet.Add("a");
  fleet.Hold("a", 0);
  Plan plan = PlanWithRows({3});
  plan.segments.push_back({.unit = 0, .first_row = 5, .rows = 2});
  EXPECT_EQ(fleet.Decide(plan, "s@v")->scores[0].held_tokens, 5u);
}

TEST(Routing, UnitsOfAnotherIdentityDoNotCount) {
  Fleet fleet;
  fleet.Add("a");
  fleet.Hold("a", 0);
  fleet.Add("a").identity = IdentityOf("w");
  EXPECT_EQ(fleet.Decide(PlanWithRows({8}), "s@v")->scores[0].held_tokens, 8u);
  Fleet other;
  other.Add("a").identity = IdentityOf("other weights");
  const std::unordered_set<UnitKey> foreign = {MakeUnitKey(IdentityOf("w"), 0, Recipe(0))};
  other.Add("a").resident = &foreign;
  EXPECT_EQ(other.Decide(PlanWithRows({8}), "s@v")->scores[0].held_tokens, 0u);
}

TEST(Routing, FreeSlotComesBeforeHeldTokens) {
  for (const std::string full : {"a", "b"}) {
    Fleet fleet;
    fleet.Add("a");
    fleet.Add("b");
    fleet.Hold(full, 0);
    fleet.Add(full).assigned = 3;
    EXPECT_EQ(fleet.Choose(PlanWithRows({8})), full);
    fleet.Add(full).assigned = 4;
    EXPECT_EQ(fleet.Choose(PlanWithRows({8})), full == "a" ? "b" : "a");
  }
}

TEST(Routing, SamplesGoWhereTheyAllHaveSlots) {
  Fleet fleet;
  fleet.Add("rich", 2);
  fleet.Hold("rich", 0);
  fleet.Add("wide", 8);
  const Plan plan = PlanWithRows({8});
  EXPECT_EQ(fleet.Choose(plan, "s@v", 2), "rich");
  EXPECT_EQ(fleet.Choose(plan, "s@v", 3), "wide");
  fleet.Add("wide").assigned = 6;  // they wait there, and could never run on the other
  EXPECT_EQ(fleet.Choose(plan, "s@v", 3), "wide");
  fleet.Add("rich").assigned = 1;
  EXPECT_EQ(fleet.Choose(plan, "s@v", 2), "wide");
  EXPECT_EQ(fleet.Choose(plan, "s@v", 9), "none");
}

TEST(Routing, HeldTokensDecideAgainWhenEveryWorkerIsFull) {
  for (const std::string rich : {"a", "b"}) {
    Fleet fleet;
    fleet.Add("a", 1).assigned = 5;
    fleet.Add("b", 1).assigned = 1;
    fleet.Hold(rich, 0);
    EXPECT_EQ(fleet.Choose(PlanWithRows({8})), rich);
  }
}

TEST(Routing, TiesAreTheSameHomeEveryTimeAndSpreadOverTheWorkers) {
  Fleet fleet;
  for (int n = 0; n < 8; ++n) fleet.Add("worker-" + std::to_string(n));
  const Plan plan = PlanWithRows({8});
  std::map<std::string, int> schemas;
  for (int n = 0; n < 800; ++n) {
    const std::string affinity = "schema" + std::to_string(n) + "@v";
    const std::string home = fleet.Choose(plan, affinity);
    EXPECT_EQ(fleet.Choose(plan, affinity), home);
    ++schemas[home];
  }
  ASSERT_EQ(schemas.size(), 8u);
  for (const auto& [name, count] : schemas) {
    EXPECT_GT(count, 50) << name;
    EXPECT_LT(count, 150) << name;
  }
}

TEST(Routing, WorkerThatLeavesMovesOnlyItsOwnSchemasAndItsReturnMovesThemBack) {
  Fleet fleet;
  for (int n = 0; n < 8; ++n) fleet.Add("worker-" + std::to_string(n));
  const Plan plan = PlanWithRows({8});
  std::map<std::string, std::string> homes;
  for (int n = 0; n < 400; ++n) {
    const std::string affinity = "schema" + std::to_string(n) + "@v";
    homes[affinity] = fleet.Choose(plan, affinity);
  }
  fleet.Remove("worker-3");
  for (const auto& [affinity, home] : homes) {
    const std::string now = fleet.Choose(plan, affinity);
    EXPECT_NE(now, "worker-3");
    if (home != "worker-3") {
      EXPECT_EQ(now, home) << affinity;
    }
  }
  fleet.Add("worker-3");
  for (const auto& [affinity, home] : homes) EXPECT_EQ(fleet.Choose(plan, affinity), home);
}

TEST(Routing, WorkerThatJoinsTakesSchemasOnlyForItself) {
  Fleet fleet;
  for (int n = 0; n < 4; ++n) fleet.Add("worker-" + std::to_string(n));
  const Plan plan = PlanWithRows({8});
  std::map<std::string, std::string> homes;
  for (int n = 0; n < 400; ++n) {
    const std::string affinity = "schema" + std::to_string(n) + "@v";
    homes[affinity] = fleet.Choose(plan, affinity);
  }
  fleet.Add("joined");
  int moved = 0;
  for (const auto& [affinity, home] : homes) {
    const std::string now = fleet.Choose(plan, affinity);
    if (now == home) continue;
    EXPECT_EQ(now, "joined");
    ++moved;
  }
  EXPECT_GT(moved, 40);
  EXPECT_LT(moved, 120);
}

TEST(Routing, OrderOfTheWorkersDoesNotMatter) {
  std::mt19937 random(7);
  const std::unordered_set<UnitKey> nothing;
  std::vector<RouteWorker> workers;
  for (int n = 0; n < 6; ++n) {
    workers.push_back({.name = "w" + std::to_string(n), .slots = 1, .resident = &nothing});
  }
  const Plan plan = PlanWithRows({8});
  std::set<std::string> chosen;
  for (int n = 0; n < 50; ++n) {
    std::shuffle(workers.begin(), workers.end(), random);
    chosen.insert(workers[ChooseWorker({.affinity = "s@v", .plan = &plan}, workers)->chosen].name);
  }
  EXPECT_EQ(chosen.size(), 1u);
}

TEST(Routing, ScoresNameEveryWorkerSoThatADecisionCanBeExplained) {
  Fleet fleet;
  fleet.Add("a", 0);
  fleet.Add("b");
  fleet.Hold("b", 0);
  const auto decision = fleet.Decide(PlanWithRows({8}), "s@v");
  ASSERT_EQ(decision->scores.size(), 2u);
  EXPECT_EQ(decision->scores[0].worker, "a");
  EXPECT_FALSE(decision->scores[0].has_free_slots);
  EXPECT_EQ(decision->scores[0].held_tokens, 0u);
  EXPECT_TRUE(decision->scores[1].has_free_slots);
  EXPECT_EQ(decision->scores[1].held_tokens, 8u);
  EXPECT_NE(decision->scores[0].tie, decision->scores[1].tie);
}

}  // namespace
}  // namespace promptcache::testing
