#include "worker/engine/pending_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/engine/plan_maker.h"
#include "tests/unit/kv/recipes.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RequestId Id(uint8_t name) {
  RequestId id;
  id.bytes[0] = name;
  return id;
}

KeptUnitPtr UnitOf(uint8_t name) {
  auto unit = std::make_shared<KeptUnit>();
  unit->key.bytes[0] = name;
  unit->bytes = 40;
  return unit;
}

class PendingUnitsTest : public ::testing::Test {
 protected:
  // As request `owner`.
  PendingUnit* Acquire(const KeptUnitPtr& unit, uint8_t owner) {
    return units_.Acquire(unit->key, {.owner = Id(owner), .recipe = known_},
                          {.on_loading = [this, owner](const KeptUnitPtr&) { ++loading_[owner]; },
                           .on_arrival =
                               [this, owner](UnitArrival arrival) {
                                 arrivals_[owner].push_back(std::move(arrival));
                               }});
  }

  const KnownRecipePtr known_ = Known(*MakeRecipe({}, {1, 2, 3}));
  const KeptUnitPtr unit_ = UnitOf(1);
  Inbox inbox_;
  UnitCache cache_{100};
  StoreWriter writer_{nullptr, 100, inbox_};
  PendingUnits units_{cache_, writer_};
  std::map<uint8_t, int> loading_;                        // by owner
  std::map<uint8_t, std::vector<UnitArrival>> arrivals_;  // by owner
};

TEST_F(PendingUnitsTest, UnitInMemoryArrivesAtOnce) {
  cache_.Insert(unit_, {});
  EXPECT_EQ(Acquire(unit_, 1), nullptr);
  ASSERT_THAT(arrivals_[1], SizeIs(1));
  EXPECT_EQ(arrivals_[1][0].unit, unit_);
  EXPECT_EQ(arrivals_[1][0].usage.source, Source::kDevice);
}

TEST_F(PendingUnitsTest, UnitIsGotOnceHoweverManyWaitForIt) {
  EXPECT_NE(Acquire(unit_, 1), nullptr);
  EXPECT_EQ(Acquire(unit_, 2), nullptr);
  EXPECT_NE(Acquire(UnitOf(2), 2), nullptr);
  units_.Loaded(unit_, Source::kRemote, SystemClock().Now());
  for (const uint8_t owner : {1, 2}) {
    ASSERT_THAT(arrivals_[owner], SizeIs(1));
    EXPECT_EQ(arrivals_[owner][0].usage.source, Source::kRemote);
  }
  EXPECT_TRUE(cache_.Contains(unit_->key));
  EXPECT_EQ(units_.Find(unit_->key), nullptr);
}

TEST_F(PendingUnitsTest, WhoAskedFirstPaysForTheEncode) {
  units_.Encode(*Acquire(unit_, 1), "cheaper to encode");
  (void)Acquire(unit_, 2);
  EXPECT_EQ(units_.NextToEncode(), units_.Find(unit_->key));
  EXPECT_FALSE(units_.wants_encode());
  units_.Encoded(unit_, 3);
  EXPECT_EQ(arrivals_[1][0].encoded_tokens, 3u);
  EXPECT_EQ(arrivals_[2][0].encoded_tokens, 0u);
  EXPECT_EQ(arrivals_[2][0].usage.miss_reason, "cheaper to encode");
}

TEST_F(PendingUnitsTest, UnitThatIsBeingLoadedIsShownToAllWhoWait) {
  (void)Acquire(unit_, 1);
  units_.Loading(unit_);
  (void)Acquire(unit_, 2);
  EXPECT_THAT(loading_, ElementsAre(std::pair(1, 1), std::pair(2, 1)));
}

TEST_F(PendingUnitsTest, WaitEndsWhenTheUnitIsWholeNotWhenThatIsHeard) {
  (void)Acquire(unit_, 1);
  units_.Loaded(unit_, Source::kDisk, SystemClock().Now() - milliseconds(100));
  EXPECT_EQ(arrivals_[1][0].usage.milliseconds, 0);
}

TEST_F(PendingUnitsTest, DamagedUnitIsEncodedAndSaysWhy) {
  (void)Acquire(unit_, 1);
  units_.Loading(unit_);
  units_.LoadFailed(unit_->key, DataLoss("a checksum"));
  EXPECT_EQ(units_.corruptions(), 1u);
  EXPECT_THAT(arrivals_, IsEmpty());
  (void)Acquire(unit_, 2);
  EXPECT_EQ(loading_[2], 0);
  ASSERT_NE(units_.NextToEncode(), nullptr);
  units_.Encoded(unit_, 3);
  EXPECT_EQ(arrivals_[1][0].usage.source, Source::kEncoded);
  EXPECT_EQ(arrivals_[1][0].usage.miss_reason, "checksum");
}

TEST_F(PendingUnitsTest, WhatNobodyWaitsForIsNotEncoded) {
  const KeptUnitPtr wanted = UnitOf(2);
  for (const KeptUnitPtr& unit : {unit_, wanted}) units_.Encode(*Acquire(unit, 1), "no store");
  (void)Acquire(wanted, 2);
  units_.Abandon(Id(1));
  EXPECT_EQ(units_.NextToEncode()->key, wanted->key);
  EXPECT_EQ(units_.NextToEncode(), nullptr);
  EXPECT_EQ(units_.Find(unit_->key), nullptr);
  units_.Encoded(wanted, 3);
  EXPECT_THAT(arrivals_[1], IsEmpty());
  EXPECT_THAT(arrivals_[2], SizeIs(1));
}

TEST_F(PendingUnitsTest, WhatIsBeingEncodedIsForgottenOnceNobodyWaitsForIt) {
  units_.Encode(*Acquire(unit_, 1), "no store");
  (void)Acquire(unit_, 2);
  ASSERT_NE(units_.NextToEncode(), nullptr);
  units_.Abandon(Id(1));
  EXPECT_FALSE(units_.ForgetUnwanted(unit_->key)) << "the second one still waits";
  units_.Abandon(Id(2));
  EXPECT_TRUE(units_.ForgetUnwanted(unit_->key));
  EXPECT_NE(Acquire(unit_, 3), nullptr) << "to be got again";
}

TEST_F(PendingUnitsTest, DroppedUnitReachesWhoWaitsAndIsNotKept) {
  (void)Acquire(unit_, 1);
  const RemovedUnits removed = units_.Drop({unit_->key, UnitOf(2)->key});
  EXPECT_EQ(removed.units, 0u);
  EXPECT_THAT(removed.held, ElementsAre(unit_->key));
  units_.Loaded(unit_, Source::kDisk, SystemClock().Now());
  EXPECT_THAT(arrivals_[1], SizeIs(1));
  EXPECT_FALSE(cache_.Contains(unit_->key));
}

TEST_F(PendingUnitsTest, FailureReachesAllWhoWait) {
  units_.Encode(*Acquire(unit_, 1), "no store");
  (void)Acquire(unit_, 2);
  units_.Failed(unit_->key, ResourceExhausted("no memory"));
  for (const uint8_t owner : {1, 2}) {
    EXPECT_EQ(arrivals_[owner].at(0).status.code(), Code::kResourceExhausted);
  }
  EXPECT_NE(Acquire(unit_, 3), nullptr);  // it is tried again
}

}  // namespace
}  // namespace promptcache::testing
