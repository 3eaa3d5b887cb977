#include "coordinator/routing/router.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <set>

#include "tests/unit/routing/routing_samples.h"

namespace promptcache::testing {
namespace {

class RouterTest : public ::testing::Test {
 protected:
  void Join(WorkerId id, const WorkerProfile& profile, double joined = -100) {
    fleet_.Join(id, profile, At(joined));
  }
  void JoinSome(WorkerId count) {
    for (WorkerId id = 1; id <= count; ++id) Join(id, Profile("w" + std::to_string(id)));
  }
  RoutingDecision Route(const std::string& policy, const RouteRequest& request, double now = 0) {
    return Router(*ParsePolicy(policy), options_).Route(request, fleet_, At(now));
  }
  // 0: nobody.
  WorkerId Chosen(const std::string& policy, const RouteRequest& request, double now = 0) {
    const RoutingDecision decision = Route(policy, request, now);
    return decision.outcome == Outcome::kAssign ? decision.scores[decision.chosen].worker : 0;
  }
  // Where an idle fleet sends requests of this affinity.
  WorkerId Home(const std::string& affinity) {
    const WorkerId home = Chosen("rendezvous", Request(200, {}, affinity));
    fleet_.Ended(Id(200), At(0));
    return home;
  }

  Fleet fleet_;
  RouterOptions options_;
};

TEST_F(RouterTest, WithoutWorkersNobodyCanTakeIt) {
  EXPECT_EQ(Route("cost", Request(1)).outcome, Outcome::kNoWorker);
  Join(1, Profile("w1"));
  RouteRequest wide = Request(1);
  wide.slots = 9;
  EXPECT_EQ(Route("cost", wide).outcome, Outcome::kNoWorker);
  fleet_.Drain(1);
  EXPECT_EQ(Route("cost", Request(1)).outcome, Outcome::kNoWorker);
}

TEST_F(RouterTest, AWorkerWithMoreWorkThanTheBoundHasNoRoom) {
  const Router router(*ParsePolicy("cost"), options_);
  EXPECT_FALSE(router.HasRoom(fleet_, At(0)));
  Join(1, Profile("w1"));
  EXPECT_TRUE(router.HasRoom(fleet_, At(0)));
  RouteRequest longer = Request(1);
  longer.new_tokens = 3000;  // 3 s, over the bound of 2
  ASSERT_EQ(router.Route(longer, fleet_, At(0)).outcome, Outcome::kAssign);
  EXPECT_FALSE(router.HasRoom(fleet_, At(0)));
  Join(2, Profile("w2"));
  EXPECT_TRUE(router.HasRoom(fleet_, At(0)));
  fleet_.Drain(2);
  EXPECT_FALSE(router.HasRoom(fleet_, At(0)));
}

TEST_F(RouterTest, CostPrefersTheWorkerThatHoldsTheUnits) {
  JoinSome(4);
  for (WorkerId holder = 1; holder <= 4; ++holder) {
    const auto unit = static_cast<uint8_t>(holder);
    fleet_.SetTier(holder, Unit(unit), Source::kDevice);
    EXPECT_EQ(Chosen("cost", Request(unit, {unit})), holder);
    fleet_.Ended(Id(unit), At(0));
  }
}

TEST_F(RouterTest, CostLeavesAHolderWhoseQueueIsWorseThanLoading) {
  JoinSome(2);
  fleet_.Stored(Unit(1));
  fleet_.SetTier(1, Unit(1), Source::kDevice);
  fleet_.Assign(Request(100), 1, {.compute_s = 0.3}, At(0));
  EXPECT_EQ(Chosen("cost", Request(1, {1})), 1u);  // loading takes 0.5 s
  fleet_.Ended(Id(1), At(0));
  fleet_.Assign(Request(101), 1, {.compute_s = 1.5}, At(0));
  EXPECT_EQ(Chosen("cost", Request(2, {1})), 2u);
}

TEST_F(RouterTest, OnlyWhatHasToLoadWaitsForTheLoadsBeforeIt) {
  Join(1, Profile("w1"));
  fleet_.Stored(Unit(2));
  fleet_.SetTier(1, Unit(1), Source::kDevice);
  fleet_.Assign(Request(100), 1, {.load_s = 3, .compute_s = 0.25}, At(0));
  EXPECT_DOUBLE_EQ(Route("cost", Request(1, {1})).scores[0].wait_s, 0.25);
  fleet_.Ended(Id(1), At(0));
  EXPECT_DOUBLE_EQ(Route("cost", Request(2, {2})).scores[0].wait_s, 3.25);
}

TEST_F(RouterTest, CostLoadsWhereLessIsBeingLoaded) {
  JoinSome(2);
  fleet_.Stored(Unit(1));
  const WorkerId home = Home("s@v");
  EXPECT_EQ(Chosen("cost", Request(1, {1})), home);
  fleet_.Ended(Id(1), At(0));
  fleet_.Assign(Request(100), home, {.load_s = 1}, At(1));
  EXPECT_EQ(Chosen("cost", Request(2, {1}), 1), 3 - home);
}

TEST_F(RouterTest, CostSparesUnitsOfAFullDevice) {
  JoinSome(2);
  const WorkerId home = Home("s@v");
  fleet_.Report(home, {.device_fill = 0.95, .rates = Profile("").rates}, At(0));
  EXPECT_EQ(Chosen("cost", Request(1, {1})), 3 - home);
}

TEST_F(RouterTest, CostAvoidsAWorkerShortOfMemoryForRequests) {
  JoinSome(2);
  const WorkerId home = Home("s@v");
  fleet_.Report(home, {.kv_use = 0.9, .rates = Profile("").rates}, At(0));
  EXPECT_EQ(Chosen("cost", Request(1)), 3 - home);
}

TEST_F(RouterTest, TermsOfCostSumUpToItsTotal) {
  JoinSome(3);
  fleet_.Assign(Request(100), 2, {.compute_s = 0.7}, At(0));
  for (const WorkerScore& score : Route("cost", Request(1, {1, 2})).scores) {
    EXPECT_DOUBLE_EQ(score.total, score.wait_s + score.work_s + score.congestion_s +
                                      score.displacement_s + score.kv_s + score.tie_s);
    EXPECT_GT(score.work_s, 0);
  }
}

TEST_F(RouterTest, AnIdleFleetSendsASchemaToItsHome) {
  JoinSome(8);
  std::set<WorkerId> homes;
  for (int i = 0; i < 50; ++i) {
    const std::string affinity = "schema" + std::to_string(i);
    const WorkerId home = Home(affinity);
    homes.insert(home);
    EXPECT_EQ(Chosen("bounded_load", Request(1, {}, affinity)), home);
    fleet_.Ended(Id(1), At(0));
  }
  EXPECT_EQ(homes.size(), 8u);
}

TEST_F(RouterTest, AWorkerThatLeavesMovesOnlyItsOwnHomes) {
  JoinSome(8);
  std::map<std::string, WorkerId> before;
  for (int i = 0; i < 50; ++i) before["schema" + std::to_string(i)] = 0;
  for (auto& [affinity, home] : before) home = Home(affinity);
  fleet_.Leave(3);
  for (const auto& [affinity, home] : before) {
    if (home != 3) {
      EXPECT_EQ(Home(affinity), home);
    }
  }
}

TEST_F(RouterTest, RendezvousWaitsForAHomeWithoutRoom) {
  JoinSome(4);
  const WorkerId home = Home("s@v");
  for (uint8_t i = 0; i < 8; ++i)
    fleet_.Assign(Request(100 + i), home, {.compute_s = 0.001}, At(0));
  EXPECT_EQ(Route("rendezvous", Request(1)).outcome, Outcome::kHold);
  EXPECT_NE(Chosen("bounded_load", Request(2)), home);
}

// Each has a fleet of its own, and hears of the other's requests from the worker.
TEST_F(RouterTest, TwoCoordinatorsGiveAWorkerNoMoreThanItsSlotsAndAQuarter) {
  Fleet other;
  const Router router(*ParsePolicy("cost"), options_);
  for (Fleet* fleet : {&fleet_, &other}) {
    fleet->Join(1, Profile("w1"), At(-100));
    fleet->Report(1, {.rates = Profile("").rates}, At(0));
  }
  uint32_t given = 0;
  const auto give_all = [&](Fleet& fleet, uint8_t first_id) {
    for (uint8_t n = 0; n < 20; ++n) {
      RouteRequest request = Request(first_id + n);
      request.new_tokens = 1;
      given += router.Route(request, fleet, At(0)).outcome == Outcome::kAssign;
    }
  };
  give_all(fleet_, 0);
  EXPECT_EQ(given, 8u);
  other.Report(1, {.requests = given, .rates = Profile("").rates}, At(0));
  give_all(other, 100);
  EXPECT_EQ(given, 8u + 2u);
  EXPECT_FALSE(router.HasRoom(other, At(0)));
  fleet_.Report(1, {.requests = given, .rates = Profile("").rates}, At(0));
  for (uint8_t n = 0; n < 2; ++n) fleet_.Ended(Id(n), At(0));
  EXPECT_FALSE(router.HasRoom(fleet_, At(0))) << "the other's two have these slots";
  fleet_.Ended(Id(2), At(0));
  EXPECT_TRUE(router.HasRoom(fleet_, At(0)));
}

TEST_F(RouterTest, BoundedLoadLeavesAHomeWithMoreThanItsShare) {
  JoinSome(4);
  const WorkerId home = Home("s@v");
  EXPECT_EQ(Chosen("bounded_load", Request(1)), home);
  EXPECT_NE(Chosen("bounded_load", Request(2)), home);  // a bound of one: 1.25 * 2 / 4
}

TEST_F(RouterTest, ShortestQueueCountsRequests) {
  JoinSome(3);
  std::set<WorkerId> chosen;
  for (uint8_t i = 1; i <= 3; ++i) chosen.insert(Chosen("shortest_queue", Request(i)));
  EXPECT_EQ(chosen.size(), 3u);
}

TEST_F(RouterTest, ARequestWaitsForAFullWorkerThatIsBest) {
  JoinSome(2);
  fleet_.SetTier(1, Unit(1), Source::kDevice);
  options_.queue_bound_s = 0.2;
  fleet_.Assign(Request(100), 1, {.compute_s = 0.3}, At(0));
  const RoutingDecision decision = Route("cost", Request(1, {1}));
  EXPECT_EQ(decision.outcome, Outcome::kHold);
  EXPECT_EQ(decision.scores[decision.chosen].worker, 1u);
  EXPECT_EQ(fleet_.workers().at(1).requests(), 1u);
}

TEST_F(RouterTest, WhatWaitsAlreadyMakesAFullWorkerWorse) {
  JoinSome(2);
  fleet_.SetTier(1, Unit(1), Source::kDevice);
  options_.queue_bound_s = 0.2;
  fleet_.Assign(Request(100), 1, {.compute_s = 0.3}, At(0));
  RouteRequest request = Request(1, {1});
  request.ahead_s = 20;
  EXPECT_EQ(Chosen("cost", request), 2u);
}

// Behind short units.
RouteRequest Short(uint8_t id, const std::vector<uint8_t>& units) {
  RouteRequest request = Request(id, units);
  request.unit_tokens.assign(units.size(), 10);
  return request;
}

TEST_F(RouterTest, ANewWorkerStartsSlowlyBesideOneThatWasThere) {
  Join(1, Profile("w1"), 0);
  WorkerProfile too_small = Profile("w2");
  too_small.slots = 0;
  Join(2, too_small);
  EXPECT_EQ(Chosen("cost", Short(1, {1}), 1), 1u);
  EXPECT_EQ(Chosen("cost", Short(2, {2}), 1), 1u);
  EXPECT_EQ(Route("cost", Short(3, {3}), 1).outcome, Outcome::kHold);
  EXPECT_EQ(Chosen("cost", Short(4, {1, 2}), 1), 1u) << "it brings nothing";
  fleet_.Started(Id(1), At(2));
  EXPECT_EQ(Chosen("cost", Short(3, {3}), 2), 1u);
  EXPECT_EQ(Chosen("cost", Short(5, {4}), 11), 1u);
}

TEST_F(RouterTest, AmongNewWorkersNoneStartsSlowly) {
  Join(1, Profile("w1"), 0);
  for (uint8_t n = 1; n <= 5; ++n) EXPECT_EQ(Chosen("cost", Short(n, {n}), 1), 1u);
}

TEST_F(RouterTest, WhatCannotMakeItsDeadlineIsRejectedWithATime) {
  JoinSome(2);
  for (WorkerId id = 1; id <= 2; ++id) {
    fleet_.Assign(Request(static_cast<uint8_t>(100 + id)), id, {.compute_s = 1.5}, At(0));
  }
  RouteRequest request = Request(1);
  request.time_left_s = 1;
  const RoutingDecision decision = Route("cost", request);
  EXPECT_EQ(decision.outcome, Outcome::kReject);
  EXPECT_NEAR(decision.retry_after_s, 0.6, 1e-9);
  request.time_left_s = 2;
  EXPECT_EQ(Route("cost", request).outcome, Outcome::kAssign);
}

TEST_F(RouterTest, WhatWaitsForSlotsCountsAgainstDeadlines) {
  Join(1, Profile("w1"));
  for (uint8_t i = 0; i < 8; ++i) {
    fleet_.Assign(Request(100 + i), 1, {.compute_s = 0.001}, At(0));
    fleet_.Started(Id(100 + i), At(0));
  }
  RouteRequest request = Request(1);
  request.time_left_s = 5;
  EXPECT_EQ(Route("cost", request).outcome, Outcome::kHold);
  request.ahead_s = 10;
  EXPECT_EQ(Route("cost", request).outcome, Outcome::kReject);
}

TEST_F(RouterTest, PoliciesHaveNames) {
  for (const char* name : {"cost", "rendezvous", "bounded_load", "shortest_queue"}) {
    EXPECT_EQ((*ParsePolicy(name))->name(), name);
  }
  const auto unknown = ParsePolicy("best");
  EXPECT_EQ(unknown.status().code(), Code::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("shortest_queue"), std::string::npos);
}

}  // namespace
}  // namespace promptcache::testing
