#include "worker/kv/unit_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace promptcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

UnitKey Key(uint8_t name) {
  UnitKey key;
  key.bytes[0] = name;
  return key;
}

UnitPtr MakeUnit(uint8_t name, uint64_t bytes) {
  auto unit = std::make_shared<Unit>();
  unit->key = Key(name);
  unit->bytes = bytes;
  return unit;
}

TEST(UnitCache, FindsWhatItHolds) {
  UnitCache cache(100);
  EXPECT_EQ(cache.Find(Key(1)), nullptr);
  const UnitPtr unit = MakeUnit(1, 40);
  cache.Insert(unit);
  EXPECT_EQ(cache.Find(Key(1)), unit);
  EXPECT_EQ(cache.bytes(), 40u);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(UnitCache, DropsTheLeastRecentlyUsedFirst) {
  UnitCache cache(100);
  for (uint8_t i = 1; i <= 3; ++i) cache.Insert(MakeUnit(i, 30));
  ASSERT_NE(cache.Find(Key(1)), nullptr);  // now 2 is the oldest
  cache.Insert(MakeUnit(4, 30));
  EXPECT_EQ(cache.Find(Key(2)), nullptr);
  EXPECT_THAT(cache.keys(), ElementsAre(Key(4), Key(1), Key(3)));
  EXPECT_EQ(cache.bytes(), 90u);
}

TEST(UnitCache, NeverDropsAUnitInUse) {
  UnitCache cache(100);
  UnitPtr held = MakeUnit(1, 60);
  cache.Insert(held);
  cache.Insert(MakeUnit(2, 30));
  cache.Insert(MakeUnit(3, 90));
  EXPECT_EQ(cache.Find(Key(1)), held);
  EXPECT_EQ(cache.Find(Key(2)), nullptr);
  EXPECT_EQ(cache.bytes(), 150u);  // over the limit while the request runs
  (void)cache.Find(Key(3));        // 1 is the older one
  held = nullptr;
  cache.Trim();
  EXPECT_EQ(cache.Find(Key(1)), nullptr);
  EXPECT_EQ(cache.bytes(), 90u);
}

TEST(UnitCache, UnitStaysAliveForItsHolderAfterItWasDropped) {
  UnitCache cache(10);
  cache.Insert(MakeUnit(1, 5));
  std::weak_ptr<const Unit> watch = cache.Find(Key(1));
  cache.Insert(MakeUnit(2, 10));
  EXPECT_TRUE(watch.expired());
}

TEST(UnitCache, UnitOverTheLimitIsKeptUntilTrimmed) {
  UnitCache cache(10);
  cache.Insert(MakeUnit(1, 5));
  cache.Insert(MakeUnit(2, 50));
  EXPECT_THAT(cache.keys(), ElementsAre(Key(2)));
  cache.Trim();
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(UnitCache, SecondInsertOfAKeyChangesNothing) {
  UnitCache cache(100);
  const UnitPtr first = MakeUnit(1, 40);
  cache.Insert(first);
  (void)cache.TakeChanges();
  cache.Insert(MakeUnit(1, 40));
  EXPECT_EQ(cache.Find(Key(1)), first);
  EXPECT_EQ(cache.bytes(), 40u);
  EXPECT_TRUE(cache.TakeChanges().empty());
}

TEST(UnitCache, TellsWhatCameAndWent) {
  UnitCache cache(100);
  cache.Insert(MakeUnit(1, 60));
  EXPECT_THAT(cache.TakeChanges().added, ElementsAre(Key(1)));
  cache.Insert(MakeUnit(2, 60));
  const UnitCache::Changes changes = cache.TakeChanges();
  EXPECT_THAT(changes.added, ElementsAre(Key(2)));
  EXPECT_THAT(changes.removed, ElementsAre(Key(1)));
  EXPECT_TRUE(cache.TakeChanges().empty());
}

// The coordinator adds `added` and then takes away `removed`.
TEST(UnitCache, KeyThatWentAndCameBackIsNoChange) {
  UnitCache cache(100);
  cache.Insert(MakeUnit(1, 60));
  (void)cache.TakeChanges();
  cache.Insert(MakeUnit(2, 60));  // 1 goes
  cache.Insert(MakeUnit(1, 60));  // 1 comes back, 2 goes
  const UnitCache::Changes changes = cache.TakeChanges();
  EXPECT_THAT(cache.keys(), ElementsAre(Key(1)));
  EXPECT_THAT(changes.added, IsEmpty());
  EXPECT_THAT(changes.removed, IsEmpty());
}

}  // namespace
}  // namespace promptcache
