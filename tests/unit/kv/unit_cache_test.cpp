#include "worker/kv/unit_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Lifetime kRoom{};

UnitKey Key(uint8_t name) {
  UnitKey key;
  key.bytes[0] = name;
  return key;
}

KeptUnitPtr MakeUnit(uint8_t name, uint64_t bytes) {
  auto unit = std::make_shared<KeptUnit>();
  unit->key = Key(name);
  unit->bytes = bytes;
  return unit;
}

// Of Key(1) to Key(9).
std::vector<UnitKey> Held(const UnitCache& cache) {
  std::vector<UnitKey> held;
  for (uint8_t name = 1; name < 10; ++name) {
    if (cache.Contains(Key(name))) held.push_back(Key(name));
  }
  return held;
}

TEST(UnitCache, FindsWhatItHolds) {
  UnitCache cache(100);
  EXPECT_EQ(cache.Find(Key(1), kRoom), nullptr);
  const KeptUnitPtr unit = MakeUnit(1, 40);
  cache.Insert(unit, kRoom);
  EXPECT_EQ(cache.Find(Key(1), kRoom), unit);
  EXPECT_EQ(cache.bytes(), 40u);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(UnitCache, DropsTheLeastRecentlyUsedFirst) {
  UnitCache cache(100);
  for (uint8_t i = 1; i <= 3; ++i) cache.Insert(MakeUnit(i, 30), kRoom);
  ASSERT_NE(cache.Find(Key(1), kRoom), nullptr);  // now 2 is the oldest
  cache.Insert(MakeUnit(4, 30), kRoom);
  EXPECT_EQ(cache.Find(Key(2), kRoom), nullptr);
  EXPECT_THAT(Held(cache), ElementsAre(Key(1), Key(3), Key(4)));
  EXPECT_EQ(cache.bytes(), 90u);
}

TEST(UnitCache, NeverDropsAUnitInUse) {
  UnitCache cache(100);
  KeptUnitPtr held = MakeUnit(1, 60);
  cache.Insert(held, kRoom);
  cache.Insert(MakeUnit(2, 30), kRoom);
  cache.Insert(MakeUnit(3, 90), kRoom);
  EXPECT_EQ(cache.Find(Key(1), kRoom), held);
  EXPECT_EQ(cache.Find(Key(2), kRoom), nullptr);
  EXPECT_EQ(cache.bytes(), 150u);   // over the limit while the request runs
  (void)cache.Find(Key(3), kRoom);  // 1 is the older one
  held = nullptr;
  cache.Trim();
  EXPECT_EQ(cache.Find(Key(1), kRoom), nullptr);
  EXPECT_EQ(cache.bytes(), 90u);
}

TEST(UnitCache, RemovesByNameWhateverHoldsOrPinsTheUnit) {
  UnitCache cache(100);
  const KeptUnitPtr held = MakeUnit(1, 10);
  cache.Insert(held, kRoom);
  cache.Insert(MakeUnit(2, 40), {.pinned = true});
  cache.Insert(MakeUnit(3, 10), kRoom);
  const RemovedUnits removed = cache.Remove({Key(1), Key(2), Key(9)});
  EXPECT_EQ(removed.units, 2u);
  EXPECT_THAT(removed.held, ElementsAre(Key(1)));
  EXPECT_THAT(Held(cache), ElementsAre(Key(3)));
  EXPECT_EQ(cache.bytes(), 10u);
  cache.Insert(MakeUnit(4, 50), {.pinned = true});  // the pin's room is free again
  cache.Insert(MakeUnit(5, 100), kRoom);
  EXPECT_NE(cache.Find(Key(4), kRoom), nullptr);
}

TEST(UnitCache, UnitStaysAliveForItsHolderAfterItWasDropped) {
  UnitCache cache(10);
  cache.Insert(MakeUnit(1, 5), kRoom);
  std::weak_ptr<const KeptUnit> watch = cache.Find(Key(1), kRoom);
  cache.Insert(MakeUnit(2, 10), kRoom);
  EXPECT_TRUE(watch.expired());
}

TEST(UnitCache, UnitOverTheLimitIsKeptUntilTrimmed) {
  UnitCache cache(10);
  cache.Insert(MakeUnit(1, 5), kRoom);
  cache.Insert(MakeUnit(2, 50), kRoom);
  EXPECT_THAT(Held(cache), ElementsAre(Key(2)));
  cache.Trim();
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(UnitCache, SecondInsertOfAKeyChangesNothing) {
  UnitCache cache(100);
  const KeptUnitPtr first = MakeUnit(1, 40);
  cache.Insert(first, kRoom);
  (void)cache.TakeChanges();
  cache.Insert(MakeUnit(1, 40), kRoom);
  EXPECT_EQ(cache.Find(Key(1), kRoom), first);
  EXPECT_EQ(cache.bytes(), 40u);
  EXPECT_TRUE(cache.TakeChanges().empty());
}

TEST(UnitCache, TellsWhatCameAndWent) {
  UnitCache cache(100);
  cache.Insert(MakeUnit(1, 60), kRoom);
  EXPECT_THAT(cache.TakeChanges().added, ElementsAre(Key(1)));
  cache.Insert(MakeUnit(2, 60), kRoom);
  const UnitChanges changes = cache.TakeChanges();
  EXPECT_THAT(changes.added, ElementsAre(Key(2)));
  EXPECT_THAT(changes.removed, ElementsAre(Key(1)));
  EXPECT_TRUE(cache.TakeChanges().empty());
}

// The coordinator adds `added` and then takes away `removed`.
TEST(UnitCache, KeyThatWentAndCameBackIsNoChange) {
  UnitCache cache(100);
  cache.Insert(MakeUnit(1, 60), kRoom);
  (void)cache.TakeChanges();
  cache.Insert(MakeUnit(2, 60), kRoom);  // 1 goes
  cache.Insert(MakeUnit(1, 60), kRoom);  // 1 comes back, 2 goes
  const UnitChanges changes = cache.TakeChanges();
  EXPECT_THAT(Held(cache), ElementsAre(Key(1)));
  EXPECT_THAT(changes.added, IsEmpty());
  EXPECT_THAT(changes.removed, IsEmpty());
}

// ---- lifetimes ----

using std::chrono::hours;
using std::chrono::minutes;
using testing::FakeClock;

constexpr Lifetime kPinned{.pinned = true};
constexpr Lifetime kHour{.ttl_ms = 3'600'000};
constexpr Lifetime kDay{.ttl_ms = 86'400'000};

class UnitLifetimes : public ::testing::Test {
 protected:
  bool Has(uint8_t name, const Lifetime& lifetime = kHour) {
    return cache_.Find(Key(name), lifetime) != nullptr;
  }

  FakeClock clock_;
  UnitCache cache_{100, clock_};
};

TEST_F(UnitLifetimes, UnitExpiresSomeTimeAfterItsLastImport) {
  cache_.Insert(MakeUnit(1, 10), kHour);
  clock_.Advance(minutes(59));
  EXPECT_TRUE(Has(1));
  clock_.Advance(minutes(59));
  EXPECT_TRUE(Has(1));
  clock_.Advance(minutes(60));
  EXPECT_FALSE(Has(1));
  EXPECT_EQ(cache_.bytes(), 0u);
}

TEST_F(UnitLifetimes, ExpiredUnitGoesWithTheNextCallAndIsReported) {
  for (const bool by_insert : {false, true}) {
    cache_.Insert(MakeUnit(1, 10), kHour);
    (void)cache_.TakeChanges();
    clock_.Advance(hours(1));
    by_insert ? cache_.Insert(MakeUnit(2, 10), kRoom) : cache_.Trim();
    EXPECT_THAT(cache_.TakeChanges().removed, ElementsAre(Key(1)));
    EXPECT_EQ(cache_.size(), by_insert ? 1u : 0u);
  }
}

TEST_F(UnitLifetimes, ExpiredUnitIsNotFoundEvenWhileItIsHeld) {
  const KeptUnitPtr held = MakeUnit(1, 10);
  cache_.Insert(held, kHour);
  clock_.Advance(hours(1));
  EXPECT_FALSE(Has(1));
  const KeptUnitPtr again = MakeUnit(1, 10);
  cache_.Insert(again, kHour);
  EXPECT_EQ(cache_.Find(Key(1), kHour), again);
}

TEST_F(UnitLifetimes, LongerLifetimeWinsWhoeverImportsLast) {
  cache_.Insert(MakeUnit(1, 10), kDay);
  cache_.Insert(MakeUnit(2, 10), kHour);
  EXPECT_TRUE(Has(1, kHour));
  EXPECT_TRUE(Has(2, kDay));
  clock_.Advance(hours(23));
  EXPECT_TRUE(Has(1));
  EXPECT_TRUE(Has(2));
  clock_.Advance(hours(1));  // a day after the import of a day, an hour after that of an hour
  EXPECT_FALSE(Has(1));
  EXPECT_FALSE(Has(2));
}

TEST_F(UnitLifetimes, UnitThatAnyoneWantsWithoutEndDoesNotExpire) {
  cache_.Insert(MakeUnit(1, 10), kHour);
  EXPECT_TRUE(Has(1, kRoom));
  clock_.Advance(hours(24 * 365));
  EXPECT_TRUE(Has(1));
}

TEST_F(UnitLifetimes, OtherUnitsOutliveOneThatExpires) {
  cache_.Insert(MakeUnit(1, 10), kHour);
  cache_.Insert(MakeUnit(2, 10), kDay);
  cache_.Insert(MakeUnit(3, 10), kRoom);
  EXPECT_EQ(cache_.UntilNextExpiry(), hours(1));
  clock_.Advance(hours(2));
  cache_.Trim();
  EXPECT_THAT(Held(cache_), ElementsAre(Key(2), Key(3)));
  EXPECT_EQ(cache_.UntilNextExpiry(), hours(22));
}

TEST_F(UnitLifetimes, LifetimeBeyondAllMeasureDoesNotOverflow) {
  cache_.Insert(MakeUnit(1, 10), {.ttl_ms = ~uint64_t{0}});
  clock_.Advance(hours(24 * 365));
  EXPECT_TRUE(Has(1));
}

TEST_F(UnitLifetimes, PinnedUnitNeitherMakesRoomNorExpires) {
  cache_.Insert(MakeUnit(1, 50), {.ttl_ms = kHour.ttl_ms, .pinned = true});
  clock_.Advance(hours(2));
  cache_.Insert(MakeUnit(2, 40), kRoom);
  cache_.Insert(MakeUnit(3, 40), kRoom);
  cache_.Insert(MakeUnit(4, 80), kRoom);
  cache_.Trim();
  EXPECT_THAT(Held(cache_), ElementsAre(Key(1)));
}

TEST_F(UnitLifetimes, ImportPinsAUnitThatIsThere) {
  cache_.Insert(MakeUnit(1, 50), kRoom);
  EXPECT_TRUE(Has(1, kPinned));
  EXPECT_TRUE(Has(1, kRoom));
  cache_.Insert(MakeUnit(2, 60), kRoom);
  EXPECT_TRUE(Has(1));
}

TEST_F(UnitLifetimes, PinsTakeAtMostHalfOfTheLimit) {
  cache_.Insert(MakeUnit(1, 30), kPinned);
  cache_.Insert(MakeUnit(2, 21), kPinned);  // one too many
  cache_.Insert(MakeUnit(3, 20), kPinned);
  cache_.Insert(MakeUnit(4, 50), kRoom);
  EXPECT_THAT(Held(cache_), ElementsAre(Key(1), Key(3), Key(4)));
  cache_.Insert(MakeUnit(5, 60), kPinned);  // larger than what pins may take at all
  cache_.Trim();
  EXPECT_THAT(Held(cache_), ElementsAre(Key(1), Key(3)));
}

TEST_F(UnitLifetimes, ATenantsPinsLeaveRoomForThoseOfOthers) {
  constexpr uint64_t kAcme = 7;
  constexpr uint64_t kOther = 8;
  cache_.Insert(MakeUnit(1, 20), kPinned, kAcme);
  cache_.Insert(MakeUnit(2, 10), kPinned, kAcme);  // of 30 that were left, with 20 of its own
  cache_.Insert(MakeUnit(3, 1), kPinned, kAcme);   // one too many
  cache_.Insert(MakeUnit(4, 10), kPinned, kOther);
  cache_.Insert(MakeUnit(5, 10), kPinned);  // everybody's: all that is left
  cache_.Insert(MakeUnit(6, 50), kRoom);
  EXPECT_THAT(Held(cache_), ElementsAre(Key(1), Key(2), Key(4), Key(5), Key(6)));
  cache_.Remove({Key(1), Key(5)});  // the pins' room is free again
  cache_.Insert(MakeUnit(7, 10), kPinned, kAcme);
  cache_.Insert(MakeUnit(8, 80), kRoom);
  EXPECT_THAT(Held(cache_), ElementsAre(Key(2), Key(4), Key(7), Key(8)));
}

TEST_F(UnitLifetimes, PinThatIsIgnoredIsLoggedOnce) {
  ::testing::internal::CaptureStderr();
  cache_.Insert(MakeUnit(1, 60), kPinned);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Has(1, kPinned));
  const std::string log = ::testing::internal::GetCapturedStderr();
  const size_t first = log.find("unit not pinned");
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("unit not pinned", first + 1), std::string::npos) << log;
}

TEST_F(UnitLifetimes, UnitWhosePinIsIgnoredStillExpires) {
  cache_.Insert(MakeUnit(1, 60), {.ttl_ms = kHour.ttl_ms, .pinned = true});
  clock_.Advance(hours(1));
  EXPECT_FALSE(Has(1));
}

TEST(UnitLifetime, LongerOfTwoIsPinnedIfEitherIsAndEndlessIfEitherIs) {
  EXPECT_EQ(Longer(kHour, kDay), kDay);
  EXPECT_EQ(Longer(kDay, kRoom), kRoom);
  EXPECT_EQ(Longer(kHour, {.ttl_ms = 1, .pinned = true}),
            (Lifetime{.ttl_ms = kHour.ttl_ms, .pinned = true}));
}

}  // namespace
}  // namespace promptcache
