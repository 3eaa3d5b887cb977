// What a tenant may have in a store: blobs whose references are all its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cachestore/catalog/catalog.h"

namespace promptcache::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kStart = 1'700'000'000'000;
constexpr Lifetime kPinned{.pinned = true};

UnitKey KeyOf(uint8_t number) {
  UnitKey key;
  key.bytes[0] = number;
  return key;
}

Import Of(const std::string& tenant, Lifetime lifetime = {}) {
  return {{.tenant = tenant, .schema = "s", .version = "v", .module = "m"}, lifetime};
}

class CatalogTenants : public ::testing::Test {
 protected:
  // A commit; what left for it.
  Result<std::vector<uint8_t>> Put(uint8_t number, uint64_t bytes, std::vector<Import> imports,
                                   double encode_seconds = 1) {
    PC_ASSIGN_OR_RETURN(const std::vector<UnitKey> victims,
                        catalog_.StartPut({KeyOf(number), bytes, imports}, kStart));
    std::vector<uint8_t> left;
    for (const UnitKey& victim : victims) {
      left.push_back(victim.bytes[0]);
      catalog_.Erase(victim);
    }
    catalog_.EndPut(KeyOf(number), bytes);
    catalog_.Insert(KeyOf(number), {.bytes = bytes, .encode_seconds = encode_seconds}, imports,
                    kStart);
    return left;
  }
  bool IsPinnedNow(uint8_t number) const {
    return IsPinned(catalog_.FindStored(KeyOf(number))->use);
  }

  Catalog catalog_{{.quota_bytes = 200,
                    .pin_quota_bytes = 100,
                    .use_half_life_ms = 3'600'000,
                    .tenants = *TenantLimits::Parse({"acme bytes=100 pinned=40"})}};
};

TEST_F(CatalogTenants, ATenantOverItsBytesLosesTheCheapestOfItsOwn) {
  ASSERT_TRUE(Put(1, 50, {Of("other")}, 0.1).ok());
  ASSERT_TRUE(Put(2, 50, {Of("acme")}, 2).ok());
  ASSERT_TRUE(Put(3, 50, {Of("acme")}, 1).ok());
  EXPECT_THAT(*Put(4, 50, {Of("acme")}), ElementsAre(3));
}

TEST_F(CatalogTenants, WhatHasReferencesOfOthersTooCountsForNobody) {
  ASSERT_TRUE(Put(1, 50, {Of("acme"), Of("other")}).ok());
  ASSERT_TRUE(Put(2, 50, {Of("acme"), Of("")}).ok());
  EXPECT_THAT(*Put(3, 100, {Of("acme")}), ElementsAre());
}

TEST_F(CatalogTenants, ATenantWithoutALimitHasTheQuota) {
  EXPECT_THAT(*Put(1, 150, {Of("other")}), ElementsAre());
  EXPECT_THAT(*Put(2, 100, {Of("other")}), ElementsAre(1));
}

TEST_F(CatalogTenants, WhatIsLargerThanTheLimitIsRefusedAndNothingLeavesForIt) {
  ASSERT_TRUE(Put(1, 50, {Of("acme")}).ok());
  const Status refused = Put(2, 101, {Of("acme")}).status();
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("bytes=100 of the tenant 'acme'"));
  EXPECT_NE(catalog_.FindStored(KeyOf(1)), nullptr);
}

TEST_F(CatalogTenants, WhatIsBeingWrittenCounts) {
  ASSERT_TRUE(catalog_.StartPut({KeyOf(1), 60, {Of("acme")}}, kStart).ok());
  EXPECT_EQ(Put(2, 60, {Of("acme")}).status().code(), Code::kResourceExhausted);
  catalog_.EndPut(KeyOf(1), 60);
  EXPECT_TRUE(Put(2, 60, {Of("acme")}).ok());
}

TEST_F(CatalogTenants, TheQuotaHoldsBesidesTheLimitAndWhatLeavesForOneLeavesForBoth) {
  ASSERT_TRUE(Put(1, 100, {Of("other")}, 5).ok());
  ASSERT_TRUE(Put(2, 100, {Of("acme")}, 9).ok());
  EXPECT_THAT(*Put(3, 100, {Of("acme")}), ElementsAre(2));
  EXPECT_THAT(*Put(4, 90, {Of("else")}), ElementsAre(3)) << "the cheapest of all";
}

TEST_F(CatalogTenants, PinsOverTheTenantsBytesAreRefusedAndCounted) {
  ASSERT_TRUE(Put(1, 30, {Of("acme", kPinned)}).ok());
  ASSERT_TRUE(Put(2, 30, {Of("acme", kPinned)}).ok());
  EXPECT_TRUE(IsPinnedNow(1));
  EXPECT_FALSE(IsPinnedNow(2));
  EXPECT_EQ(catalog_.refused_pins(), 1u);
  const Status refused = catalog_.SetPin(KeyOf(2), PinChange::kPin).status();
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("'acme'"));
  EXPECT_EQ(catalog_.refused_pins(), 2u);
  ASSERT_TRUE(Put(3, 30, {Of("other", kPinned)}).ok());
  EXPECT_TRUE(IsPinnedNow(3)) << "others have limits of their own";
}

TEST_F(CatalogTenants, APinThatGoesMakesRoomForAnother) {
  ASSERT_TRUE(Put(1, 30, {Of("acme", kPinned)}).ok());
  ASSERT_TRUE(Put(2, 30, {Of("acme")}).ok());
  catalog_.Erase(KeyOf(1));
  EXPECT_TRUE(*catalog_.SetPin(KeyOf(2), PinChange::kPin));
}

TEST_F(CatalogTenants, WhatBecomesATenantsOwnLaterIsCollectedWhenItIsTooMuch) {
  ASSERT_TRUE(Put(1, 80, {Of("acme")}, 1).ok());
  ASSERT_TRUE(Put(2, 80, {Of("acme"), Of("other")}, 9).ok());
  EXPECT_THAT(catalog_.OverQuota(), ElementsAre());
  catalog_.RemoveReferences(KeyOf(2), {.tenant = "other"});
  EXPECT_THAT(catalog_.OverQuota(), ElementsAre(KeyOf(1)));
}

}  // namespace
}  // namespace promptcache::testing
