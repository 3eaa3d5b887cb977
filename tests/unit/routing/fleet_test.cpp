#include "coordinator/routing/fleet.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/routing/routing_samples.h"

namespace promptcache::testing {
namespace {

class FleetTest : public ::testing::Test {
 protected:
  FleetTest() { fleet_.Join(1, Profile("w1"), At(0)); }

  const FleetWorker& worker(WorkerId id = 1) const { return fleet_.workers().at(id); }
  WorkEstimate Estimate(const RouteRequest& request) const {
    return fleet_.Estimate(request, worker());
  }

  Fleet fleet_;
};

TEST_F(FleetTest, UnitsCostWhatTheirTierCostsAndNeverMoreThanEncoding) {
  fleet_.SetTier(1, Unit(1), Source::kDevice);
  fleet_.SetTier(1, Unit(2), Source::kHost);
  fleet_.SetTier(1, Unit(3), Source::kDisk);  // no disk rate: encoded
  fleet_.Stored(Unit(4));
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {1})).work.total_s(), 0.1);
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {2})).work.total_s(), 0.1 + 0.1);
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {3})).work.total_s(), 0.1 + 1.0);
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {2})).work.load_s, 0.1);
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {4})).work.load_s, 0.5 + 0.1) << "and copied from the host";
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {4})).work.compute_s, 0.1);
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {5})).work.total_s(), 0.1 + 1.0);
  EXPECT_EQ(Estimate(Request(9, {1, 2})).device_tokens, 1000u);
}

TEST_F(FleetTest, WhatIsStoredIsLoadedWithTheRateThatTheWorkerHasForItsStore) {
  WorkerProfile profile = Profile("w2");
  profile.rates.remote = {};
  profile.rates.disk = {.bytes_per_s = 4000};
  fleet_.Join(2, profile, At(0));
  fleet_.Stored(Unit(4));
  EXPECT_DOUBLE_EQ(Estimate(Request(9, {4})).work.load_s, 0.5 + 0.1);
  EXPECT_DOUBLE_EQ(fleet_.Estimate(Request(9, {4}), worker(2)).work.load_s, 0.25 + 0.1);
}

TEST_F(FleetTest, LoadsGoOnBesideComputing) {
  fleet_.Assign(Request(1, {7}), 1, {.load_s = 2, .compute_s = 1}, At(0));
  fleet_.Assign(Request(2, {8}), 1, {.load_s = 3, .compute_s = 1}, At(1));
  EXPECT_DOUBLE_EQ(worker().BacklogSeconds(At(1)), 1);
  EXPECT_DOUBLE_EQ(worker().LoadBacklogSeconds(At(1)), 4);
  EXPECT_DOUBLE_EQ(worker().LoadBacklogSeconds(At(6)), 0);
}

TEST_F(FleetTest, LoadsOfRequestsThatHaveStartedOrEndedAreOver) {
  fleet_.Assign(Request(1, {7}), 1, {.load_s = 2, .compute_s = 1}, At(0));
  fleet_.Assign(Request(2, {8}), 1, {.load_s = 3, .compute_s = 1}, At(0));
  fleet_.Ended(Request(1, {}).id, At(0));
  EXPECT_DOUBLE_EQ(worker().LoadBacklogSeconds(At(0)), 3) << "cancelled";
  fleet_.Started(Request(2, {}).id, At(1));
  EXPECT_DOUBLE_EQ(worker().LoadBacklogSeconds(At(1)), 0) << "faster than predicted";
  fleet_.Assign(Request(3, {9}), 1, {.load_s = 1, .compute_s = 1}, At(1));
  EXPECT_DOUBLE_EQ(worker().LoadBacklogSeconds(At(1)), 1) << "nothing is left of those before";
}

TEST_F(FleetTest, LoadsOfAReportAreNotTakenForTheWorkOfOthers) {
  fleet_.Assign(Request(1, {7}), 1, {.load_s = 2, .compute_s = 1}, At(0));
  fleet_.Report(1, {.backlog_s = 3, .rates = Profile("").rates}, At(0));
  EXPECT_DOUBLE_EQ(worker().BacklogSeconds(At(0)), 1);
}

TEST_F(FleetTest, TheFirstReportsOfRatesWeighAlike) {
  for (const double tokens_per_s : {2000.0, 3000.0}) {
    fleet_.Report(1, {.rates = {.prefill_tokens_per_s = tokens_per_s}}, At(0));
  }
  EXPECT_DOUBLE_EQ(worker().report().rates.prefill_tokens_per_s, 2000) << "the mean, 1000 included";
}

TEST_F(FleetTest, OfManyReportsOfRatesTheLatestWeighsATenth) {
  for (int i = 0; i < 500; ++i) fleet_.Report(1, {.rates = Profile("").rates}, At(0));
  fleet_.Report(1, {.rates = {.prefill_tokens_per_s = 2000}}, At(0));
  EXPECT_DOUBLE_EQ(worker().report().rates.prefill_tokens_per_s, 1100);
}

TEST_F(FleetTest, ColdAreThoseThatBringAUnitUntilTheyStartOrEnd) {
  fleet_.SetTier(1, Unit(1), Source::kDevice);
  fleet_.SetTier(1, Unit(2), Source::kHost);
  fleet_.Assign(Request(1, {1}), 1, {}, At(0));
  EXPECT_EQ(worker().cold(), 0u) << "it is there";
  fleet_.Assign(Request(2, {1, 2}), 1, {}, At(0));
  fleet_.Assign(Request(3, {2}), 1, {}, At(0));
  EXPECT_EQ(worker().cold(), 1u) << "the second one comes along";
  fleet_.Assign(Request(4, {3}), 1, {}, At(0));
  EXPECT_EQ(worker().cold(), 2u);
  fleet_.Started(Id(2), At(1));
  EXPECT_EQ(worker().cold(), 1u);
  fleet_.Ended(Id(2), At(2));
  fleet_.Ended(Id(4), At(2));
  EXPECT_EQ(worker().cold(), 0u);
}

TEST_F(FleetTest, UnitsOfAssignedRequestsCountAsThere) {
  fleet_.Assign(Request(1, {7}), 1, {.compute_s = 1.1}, At(0));
  EXPECT_EQ(worker().TierOf(Unit(7)), Source::kDevice);
  fleet_.Ended(Id(1), At(1));  // cancelled before it brought them
  EXPECT_EQ(worker().TierOf(Unit(7)), Source::kEncoded);
  EXPECT_DOUBLE_EQ(worker().BacklogSeconds(At(1)), 0);
}

TEST_F(FleetTest, UnitsStayAfterTheFirstTokenUntilADeltaSaysOtherwise) {
  fleet_.Assign(Request(1, {7}), 1, {.compute_s = 1.1}, At(0));
  fleet_.Started(Id(1), At(1));
  fleet_.Ended(Id(1), At(2));
  EXPECT_EQ(worker().TierOf(Unit(7)), Source::kDevice);
  fleet_.SetTier(1, Unit(7), Source::kHost);
  EXPECT_EQ(worker().TierOf(Unit(7)), Source::kHost);
}

TEST_F(FleetTest, ASnapshotForgetsAllButUnitsUnderWay) {
  fleet_.SetTier(1, Unit(1), Source::kDevice);
  fleet_.Assign(Request(1, {2}), 1, {.compute_s = 1}, At(0));
  fleet_.ForgetUnits(1);
  EXPECT_EQ(worker().TierOf(Unit(1)), Source::kEncoded);
  EXPECT_EQ(worker().TierOf(Unit(2)), Source::kDevice);
}

TEST_F(FleetTest, AWorkerThatTakesTwiceAsLongIsBelievedToDoSo) {
  for (int i = 0; i < 200; ++i) {
    const RouteRequest request = Request(1);
    const RequestWork predicted = Estimate(request).work;
    fleet_.Assign(request, 1, predicted, At(i));
    fleet_.Started(Id(1), At(i));
    fleet_.Measured(Id(1), 0.2);
    fleet_.Ended(Id(1), At(i));
  }
  EXPECT_NEAR(worker().calibration(), 2, 0.01);
  EXPECT_NEAR(Estimate(Request(1)).work.total_s(), 0.2, 0.001);
}

TEST_F(FleetTest, CalibrationStaysBetweenAQuarterAndFour) {
  for (const double actual : {1000.0, 0.0}) {
    for (int i = 0; i < 500; ++i) {
      fleet_.Assign(Request(1), 1, Estimate(Request(1)).work, At(i));
      fleet_.Started(Id(1), At(i));
      fleet_.Measured(Id(1), actual);
      fleet_.Ended(Id(1), At(i));
    }
    EXPECT_NEAR(worker().calibration(), actual > 1 ? 4 : 0.25, 0.01);
  }
}

TEST_F(FleetTest, AWorkerThatLeavesGivesItsRequestsBack) {
  fleet_.Assign(Request(1), 1, {.compute_s = 1}, At(0));
  fleet_.Assign(Request(2), 1, {.compute_s = 1}, At(0));
  EXPECT_EQ(fleet_.Leave(1), (std::vector<RequestId>{Id(1), Id(2)}));
  EXPECT_TRUE(fleet_.workers().empty());
  fleet_.Started(Id(1), At(1));  // late words of it
  fleet_.Ended(Id(1), At(1));
  fleet_.Join(2, Profile("w1"), At(2));
  fleet_.Assign(Request(1), 2, {.compute_s = 1}, At(2));
  EXPECT_EQ(worker(2).requests(), 1u);
}

TEST_F(FleetTest, ARequestIsCountedOnceHoweverOftenItsEventsCome) {
  fleet_.Assign(Request(1), 1, {.compute_s = 1}, At(0));
  fleet_.Assign(Request(1), 1, {.compute_s = 1}, At(0));
  EXPECT_EQ(worker().assigned(), 1u);
  EXPECT_EQ(worker().Unstarted(), std::vector{Id(1)});
  fleet_.Started(Id(1), At(1));
  fleet_.Started(Id(1), At(1));
  EXPECT_TRUE(worker().Unstarted().empty());
  EXPECT_EQ(worker().assigned(), 1u);
  fleet_.Ended(Id(1), At(2));
  fleet_.Ended(Id(1), At(2));
  EXPECT_EQ(worker().assigned(), 0u);
}

TEST_F(FleetTest, RequestsOfOtherCoordinatorsTakeSlots) {
  fleet_.Assign(Request(1), 1, {}, At(0));
  fleet_.Assign(Request(2), 1, {}, At(0));
  EXPECT_TRUE(worker().HasSlots(6));
  EXPECT_FALSE(worker().HasSlots(7));
  fleet_.Report(1, {.requests = 5}, At(1));
  EXPECT_TRUE(worker().HasSlots(3)) << "three are others'";
  EXPECT_FALSE(worker().HasSlots(4));
  fleet_.Report(1, {.requests = 2}, At(2));
  EXPECT_TRUE(worker().HasSlots(6));
}

TEST_F(FleetTest, WhatIsOnItsWayToAWorkerIsNoRequestLessOfOthers) {
  fleet_.Report(1, {.requests = 3}, At(0));
  fleet_.Assign(Request(1), 1, {}, At(0));
  EXPECT_FALSE(worker().HasSlots(5)) << "three are others'";
  fleet_.Assign(Request(2), 1, {}, At(0));
  fleet_.Report(1, {.requests = 0}, At(1));
  fleet_.Ended(Id(1), At(2));
  EXPECT_TRUE(worker().HasSlots(7));
  EXPECT_FALSE(worker().HasSlots(8)) << "never less than none";
}

TEST_F(FleetTest, OtherCoordinatorsLeaveAQuarterOfTheSlots) {
  fleet_.Report(1, {.requests = 100}, At(0));
  EXPECT_TRUE(worker().HasSlots(8)) << "one of any size";
  EXPECT_FALSE(worker().HasSlots(9));
  fleet_.Assign(Request(1), 1, {}, At(0));
  EXPECT_TRUE(worker().HasSlots(1));
  fleet_.Assign(Request(2), 1, {}, At(0));
  EXPECT_FALSE(worker().HasSlots(1));
}

TEST_F(FleetTest, RememberedUnitsAreBounded) {
  Fleet small({.max_units_per_worker = 2, .max_stored_units = 1});
  small.Join(1, Profile("w"), At(0));
  for (uint8_t i = 1; i <= 3; ++i) small.SetTier(1, Unit(i), Source::kHost);
  EXPECT_EQ(small.workers().at(1).TierOf(Unit(2)), Source::kHost);
  EXPECT_EQ(small.workers().at(1).TierOf(Unit(3)), Source::kEncoded);
}

TEST_F(FleetTest, KeysFollowTheWorkersIdentity) {
  WorkerProfile other = Profile("w2");
  other.identity.bytes.fill(1);
  fleet_.Join(2, other, At(0));
  Plan plan;
  plan.units.push_back({.digest = Unit(5), .tokens = 10});
  const RouteRequest request = MakeRouteRequest(plan, fleet_.identities(), 0);
  EXPECT_EQ(worker(2).KeysOf(request)[0], MakeUnitKey(other.identity, 0, Unit(5)));
  EXPECT_NE(worker(1).KeysOf(request)[0], worker(2).KeysOf(request)[0]);
  WorkerProfile late = Profile("w3");
  late.identity.bytes.fill(2);
  fleet_.Join(3, late, At(0));
  EXPECT_FALSE(worker(3).Fits(request));
}

TEST_F(FleetTest, WorkersThatComeAndGoLeaveNoIdentities) {
  const uint64_t before = fleet_.identities_version();
  for (uint32_t n = 1; n <= 1000; ++n) {
    WorkerProfile passing = Profile("w2");
    std::memcpy(passing.identity.bytes.data(), &n, sizeof(n));
    fleet_.Join(1 + n, passing, At(0));
    fleet_.Leave(1 + n);
  }
  EXPECT_EQ(fleet_.identities().size(), 2u);
  EXPECT_EQ(fleet_.identities()[0], worker().profile().identity) << "it is still here";
  EXPECT_EQ(fleet_.identities_version(), before + 1000);
}

TEST_F(FleetTest, WorkerThatComesBackHasThePlaceThatItHad) {
  fleet_.Leave(1);
  fleet_.Join(2, Profile("w1"), At(0));
  EXPECT_EQ(fleet_.identities().size(), 1u);
  EXPECT_EQ(fleet_.identities_version(), 1u);
}

}  // namespace
}  // namespace promptcache::testing
