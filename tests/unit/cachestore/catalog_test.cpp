// What leaves a full store first, what never does, and when time is up. Pure: no clock, no disk.
#include "cachestore/catalog/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "cachestore/limits.h"

namespace promptcache::testing {
namespace {

constexpr uint64_t kHour = 3'600'000;
constexpr uint64_t kStart = 1'700'000'000'000;

UnitKey KeyOf(uint8_t number) {
  UnitKey key;
  key.bytes[0] = number;
  return key;
}

Import ImportOf(const std::string& module, Lifetime lifetime = {}) {
  return {{.schema = "s", .version = "v", .module = module}, lifetime};
}

class CatalogTest : public ::testing::Test {
 protected:
  // A commit, with what it takes to get there.
  Status Put(uint8_t number, uint64_t bytes, double encode_seconds, uint64_t now = kStart,
             std::vector<Import> imports = {}) {
    PC_ASSIGN_OR_RETURN(const std::vector<UnitKey> victims,
                        catalog_.StartPut({KeyOf(number), bytes, imports}, now));
    for (const UnitKey& victim : victims) catalog_.Erase(victim);
    catalog_.EndPut(KeyOf(number), bytes);
    catalog_.Insert(KeyOf(number), {.bytes = bytes, .encode_seconds = encode_seconds}, imports,
                    now);
    return {};
  }
  bool Has(uint8_t number, uint64_t now = kStart) const {
    return catalog_.Find(KeyOf(number), now) != nullptr;
  }
  void Import(uint8_t number, uint64_t now, Lifetime lifetime = {}) {
    (void)catalog_.RecordImport(KeyOf(number), ImportOf("s", lifetime), now);
  }

  Catalog catalog_{{.quota_bytes = 100, .pin_quota_bytes = 60, .use_half_life_ms = kHour}};
};

TEST(CatalogCharge, QuotaCountsWhatBlobsTakeBesidesTheirBytes) {
  constexpr uint64_t kMib = 1 << 20;
  Catalog catalog({.quota_bytes = 5 * kMib + 3000,
                   .use_half_life_ms = 1000,
                   .blob_overhead_bytes = 500,
                   .mib_overhead_bytes = 1000});
  EXPECT_EQ(catalog.StartPut({KeyOf(1), 5 * kMib, {}}, 1).status().code(),
            Code::kResourceExhausted);
  ASSERT_TRUE(catalog.StartPut({KeyOf(1), 2 * kMib, {}}, 1).ok());  // charged 2,500 more
  catalog.Insert(KeyOf(1), {.bytes = 2 * kMib}, {}, 1);
  catalog.EndPut(KeyOf(1), 2 * kMib);
  EXPECT_TRUE(catalog.StartPut({KeyOf(2), 3 * kMib - 1, {}}, 1).value() == std::vector{KeyOf(1)});
}

TEST_F(CatalogTest, WhatSavesTheFewestSecondsAByteLeavesFirst) {
  ASSERT_TRUE(Put(1, 40, 4).ok());   // 0.1 a byte
  ASSERT_TRUE(Put(2, 20, 10).ok());  // 0.5
  ASSERT_TRUE(Put(3, 40, 8).ok());   // 0.2
  ASSERT_TRUE(Put(4, 30, 1).ok());
  EXPECT_FALSE(Has(1));
  EXPECT_TRUE(Has(2));
  EXPECT_TRUE(Has(3));
}

TEST_F(CatalogTest, UsesKeepABlobThatIsCheapToEncode) {
  ASSERT_TRUE(Put(1, 50, 1).ok());
  ASSERT_TRUE(Put(2, 50, 5).ok());
  for (int i = 0; i < 9; ++i) Import(1, kStart);  // weight 10: worth twice the other
  ASSERT_TRUE(Put(3, 10, 1).ok());
  EXPECT_TRUE(Has(1));
  EXPECT_FALSE(Has(2));
}

TEST_F(CatalogTest, UsesOfLongAgoCountLess) {
  ASSERT_TRUE(Put(1, 50, 1).ok());
  for (int i = 0; i < 7; ++i) Import(1, kStart);        // weight 8
  ASSERT_TRUE(Put(2, 50, 1, kStart + 4 * kHour).ok());  // weight 1 against 8 / 16
  ASSERT_TRUE(Put(3, 10, 1, kStart + 4 * kHour).ok());
  EXPECT_FALSE(Has(1, kStart + 4 * kHour));
  EXPECT_TRUE(Has(2, kStart + 4 * kHour));
}

TEST_F(CatalogTest, AClockSetBackMakesNothingYoungerOrOlder) {
  ASSERT_TRUE(Put(1, 50, 1, kStart).ok());
  Import(1, kStart - 100 * kHour);
  const CatalogBlob* blob = catalog_.FindStored(KeyOf(1));
  EXPECT_EQ(blob->use.used_unix_ms, kStart);
  EXPECT_EQ(blob->use.weight, 2);
}

TEST_F(CatalogTest, AReferenceWithoutAUseMakesABlobWorthNoMore) {
  ASSERT_TRUE(Put(1, 50, 1, kStart, {ImportOf("s")}).ok());
  EXPECT_EQ(catalog_.RecordReference(KeyOf(1), ImportOf("t"), kStart + kHour), Durability::kNow);
  const BlobUse& use = catalog_.FindStored(KeyOf(1))->use;
  EXPECT_EQ(use.references.size(), 2u);
  EXPECT_EQ(use.weight, 1);
  EXPECT_EQ(use.used_unix_ms, kStart);
  Import(1, kStart);
  EXPECT_EQ(use.weight, 2);
  EXPECT_EQ(use.imports, 1u);
}

TEST_F(CatalogTest, NothingLeavesForABlobThatCannotComeIn) {
  ASSERT_TRUE(Put(1, 50, 1).ok());
  EXPECT_EQ(Put(2, 101, 1).code(), Code::kResourceExhausted);
  EXPECT_TRUE(Has(1));
}

TEST_F(CatalogTest, PutsThatRunCountAsIfTheyWereThere) {
  ASSERT_TRUE(catalog_.StartPut({KeyOf(1), 60, {}}, kStart).ok());
  EXPECT_EQ(catalog_.StartPut({KeyOf(1), 10, {}}, kStart).status().code(), Code::kBusy);
  EXPECT_EQ(catalog_.StartPut({KeyOf(2), 50, {}}, kStart).status().code(),
            Code::kResourceExhausted);
  EXPECT_EQ(catalog_.reserved_bytes(), 60u);
  catalog_.EndPut(KeyOf(1), 60);
  EXPECT_EQ(catalog_.reserved_bytes(), 0u);
  EXPECT_TRUE(Put(2, 50, 1).ok());
}

TEST_F(CatalogTest, ImportsAreKeptForAPutThatRunsUpToABound) {
  ASSERT_TRUE(catalog_.StartPut({KeyOf(1), 60, {}}, kStart).ok());
  for (int i = 0; i < 5000; ++i) catalog_.AddToPut(KeyOf(1), ImportOf("a"));
  catalog_.AddToPut(KeyOf(2), ImportOf("a"));
  EXPECT_EQ(catalog_.EndPut(KeyOf(1), 60).size(), kMaxBlobReferences);
  EXPECT_EQ(catalog_.EndPut(KeyOf(2), 60).size(), 0u);
}

TEST_F(CatalogTest, PinnedBlobsStayUnderPressureAndDoNotExpire) {
  ASSERT_TRUE(Put(1, 50, 0.001, kStart, {ImportOf("a", {.ttl_ms = 5, .pinned = true})}).ok());
  for (uint8_t number = 2; number < 20; ++number) ASSERT_TRUE(Put(number, 50, 100).ok());
  EXPECT_TRUE(Has(1, kStart + 1000 * kHour));
  EXPECT_EQ(catalog_.pinned_bytes(), 50u);
  EXPECT_EQ(Put(30, 51, 1).code(), Code::kResourceExhausted);
}

TEST_F(CatalogTest, PinsOverThePinQuotaAreRefused) {
  ASSERT_TRUE(Put(1, 50, 1, kStart, {ImportOf("a", {.pinned = true})}).ok());
  ASSERT_TRUE(Put(2, 20, 1, kStart, {ImportOf("b", {.pinned = true})}).ok());
  EXPECT_EQ(catalog_.pinned_bytes(), 50u);
  EXPECT_EQ(catalog_.refused_pins(), 1u);
  EXPECT_FALSE(catalog_.FindStored(KeyOf(2))->use.references[0].lifetime.pinned);
  EXPECT_EQ(catalog_.SetPin(KeyOf(2), PinChange::kPin).status().code(), Code::kResourceExhausted);
  ASSERT_TRUE(Put(3, 10, 1).ok());
  EXPECT_TRUE(catalog_.SetPin(KeyOf(3), PinChange::kPin).value());
  EXPECT_FALSE(catalog_.SetPin(KeyOf(3), PinChange::kPin).value());
  EXPECT_EQ(catalog_.pinned_bytes(), 60u);
}

TEST_F(CatalogTest, ABlobLivesAsLongAsOneReferenceDoes) {
  ASSERT_TRUE(Put(1, 10, 1, kStart,
                  {ImportOf("a", {.ttl_ms = kHour}), ImportOf("b", {.ttl_ms = 3 * kHour})})
                  .ok());
  EXPECT_TRUE(Has(1, kStart + 2 * kHour));
  const Catalog::Expired first = catalog_.TakeExpired(kStart + 2 * kHour);
  EXPECT_TRUE(first.blobs.empty());
  EXPECT_EQ(first.changed, std::vector<UnitKey>{KeyOf(1)});
  EXPECT_EQ(first.references, 1u);
  EXPECT_EQ(catalog_.references(), 1u);
  EXPECT_FALSE(Has(1, kStart + 3 * kHour));
  EXPECT_EQ(catalog_.TakeExpired(kStart + 3 * kHour).blobs, std::vector<UnitKey>{KeyOf(1)});
  // It stays expired until its owner has dropped it.
  EXPECT_EQ(catalog_.TakeExpired(kStart + 3 * kHour).blobs, std::vector<UnitKey>{KeyOf(1)});
}

TEST_F(CatalogTest, AnImportStartsTheTimeAnew) {
  ASSERT_TRUE(Put(1, 10, 1, kStart, {ImportOf("s", {.ttl_ms = kHour})}).ok());
  Import(1, kStart + kHour / 2, {.ttl_ms = kHour});
  EXPECT_TRUE(Has(1, kStart + kHour));
  EXPECT_FALSE(Has(1, kStart + kHour / 2 + kHour));
}

TEST_F(CatalogTest, ABlobWithoutReferencesLivesUntilRoomIsNeeded) {
  ASSERT_TRUE(Put(1, 10, 1).ok());
  EXPECT_TRUE(Has(1, kStart + 100'000 * kHour));
}

TEST_F(CatalogTest, UnpinningABlobLetsItsTimeRunOut) {
  ASSERT_TRUE(Put(1, 10, 1, kStart, {ImportOf("a", {.ttl_ms = kHour})}).ok());
  ASSERT_TRUE(catalog_.SetPin(KeyOf(1), PinChange::kPin).ok());
  EXPECT_TRUE(catalog_.TakeExpired(kStart + 2 * kHour).blobs.empty());
  EXPECT_TRUE(Has(1, kStart + 2 * kHour));
  ASSERT_TRUE(catalog_.SetPin(KeyOf(1), PinChange::kUnpin).ok());
  EXPECT_FALSE(Has(1, kStart + 2 * kHour));
}

TEST_F(CatalogTest, RemovingReferencesEndsWhatNobodyElseUses) {
  ASSERT_TRUE(Put(1, 10, 1, kStart, {ImportOf("s/a"), ImportOf("s/a/b"), ImportOf("s/ab")}).ok());
  const Catalog::Dropped inside = catalog_.RemoveReferences(KeyOf(1), {.module = "s/a"});
  EXPECT_EQ(inside.references, 2u);
  EXPECT_FALSE(inside.unreferenced);
  const Catalog::Dropped rest = catalog_.RemoveReferences(KeyOf(1), {.schema = "s"});
  EXPECT_EQ(rest.references, 1u);
  EXPECT_TRUE(rest.unreferenced);
}

TEST_F(CatalogTest, AnOperatorsPinHoldsABlobWithItsReferencesUntilItIsTaken) {
  ASSERT_TRUE(Put(1, 10, 1, kStart, {ImportOf("s")}).ok());
  ASSERT_TRUE(catalog_.SetPin(KeyOf(1), PinChange::kPin).ok());
  for (const BlobSelector& selector :
       {BlobSelector{.schema = "s"}, BlobSelector{.keys = {KeyOf(1)}}}) {
    const Catalog::Dropped dropped = catalog_.RemoveReferences(KeyOf(1), selector);
    EXPECT_EQ(dropped.references, 0u);
    EXPECT_FALSE(dropped.unreferenced);
  }
  EXPECT_EQ(catalog_.references(), 1u);
  EXPECT_EQ(catalog_.pinned_bytes(), 10u);
  ASSERT_TRUE(catalog_.SetPin(KeyOf(1), PinChange::kUnpin).ok());
  EXPECT_TRUE(catalog_.RemoveReferences(KeyOf(1), {.schema = "s"}).unreferenced);
}

TEST_F(CatalogTest, ALoweredQuotaNamesWhatMustGo) {
  Catalog small({.quota_bytes = 30, .use_half_life_ms = kHour});
  for (uint8_t number : {1, 2, 3}) {
    small.Restore(KeyOf(number), {.bytes = 20,
                                  .encode_seconds = double(number),
                                  .use = {.used_unix_ms = kStart, .weight = 1}});
  }
  EXPECT_EQ(small.OverQuota(), (std::vector<UnitKey>{KeyOf(1), KeyOf(2)}));
}

TEST_F(CatalogTest, OneReferenceTooManyTakesThePlaceOfTheOldestThatIsNotPinned) {
  ASSERT_TRUE(Put(1, 10, 1).ok());
  const auto record = [&](uint64_t number, Lifetime lifetime = {}) {
    return catalog_.RecordImport(KeyOf(1), ImportOf(std::to_string(number), lifetime),
                                 kStart + number);
  };
  EXPECT_EQ(record(0, {.pinned = true}), Durability::kNow);
  for (uint64_t i = 1; i < kMaxBlobReferences + 2; ++i) EXPECT_EQ(record(i), Durability::kNow);
  EXPECT_EQ(catalog_.references(), kMaxBlobReferences);
  const auto& references = catalog_.FindStored(KeyOf(1))->use.references;
  std::set<std::string> modules;
  for (const BlobReference& one : references) modules.insert(one.reference.module);
  EXPECT_TRUE(modules.contains("0"));
  EXPECT_FALSE(modules.contains("1"));
  EXPECT_FALSE(modules.contains("2"));
  EXPECT_TRUE(modules.contains(std::to_string(kMaxBlobReferences + 1)));
  EXPECT_TRUE(std::is_sorted(references.begin(), references.end(),
                             [](auto& a, auto& b) { return a.reference < b.reference; }));
}

TEST_F(CatalogTest, WhereAllReferencesArePinnedOneMoreIsAUseOnly) {
  ASSERT_TRUE(Put(1, 10, 1).ok());
  for (uint64_t i = 0; i < kMaxBlobReferences; ++i) {
    catalog_.RecordImport(KeyOf(1), ImportOf(std::to_string(i), {.pinned = true}), kStart);
  }
  EXPECT_EQ(catalog_.RecordImport(KeyOf(1), ImportOf("more"), kStart), Durability::kSoon);
  EXPECT_EQ(catalog_.references(), kMaxBlobReferences);
  EXPECT_EQ(catalog_.FindStored(KeyOf(1))->use.imports, kMaxBlobReferences + 1);
}

TEST_F(CatalogTest, OnlyNewsMustBeWrittenAtOnce) {
  ASSERT_TRUE(Put(1, 10, 1).ok());
  const auto record = [&](Lifetime lifetime) {
    return catalog_.RecordImport(KeyOf(1), ImportOf("a", lifetime), kStart);
  };
  EXPECT_EQ(record({}), Durability::kNow);
  EXPECT_EQ(record({}), Durability::kSoon);
  EXPECT_EQ(record({.pinned = true}), Durability::kNow);
  EXPECT_EQ(catalog_.RecordImport(KeyOf(9), ImportOf("a"), kStart), Durability::kNone);
}

}  // namespace
}  // namespace promptcache::testing
