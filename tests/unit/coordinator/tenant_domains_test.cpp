#include "coordinator/tenant_domains.h"

#include <gmock/gmock.h>

#include "tests/unit/coordinator/catalog_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;

constexpr char kKey[] = "tenant/acme/domain";

// A coordinator's; all share the records.
class Asker {
 public:
  explicit Asker(MetaStore& records)
      : transport_(network, "coordinator"),
        store(network, records),
        meta_(transport_, FakeStore::kEndpoint),
        domains_(&meta_) {
    EXPECT_TRUE(meta_.Start().ok());
    network.Advance(seconds(1));
  }
  Result<uint64_t> Find(const std::string& tenant) {
    Result<uint64_t> found = Internal("no answer");
    domains_.Find(tenant, [&](const Result<uint64_t>& domain) { found = domain; });
    network.Advance(seconds(15));
    return found;
  }

  FakeNetwork network;

 private:
  FakeTransport transport_;

 public:
  FakeStore store;

 private:
  MetaClient meta_;
  TenantDomains domains_;
};

class TenantDomainsTest : public ::testing::Test {
 protected:
  MemoryMetaStore records_;
};

TEST_F(TenantDomainsTest, EachTenantHasItsOwnAndTheOneWithoutANameHasNone) {
  Asker asker(records_);
  EXPECT_EQ(*asker.Find(""), 0u);
  EXPECT_NE(*asker.Find("acme"), 0u);
  EXPECT_NE(*asker.Find("acme"), *asker.Find("other"));
  EXPECT_EQ(*asker.Find("acme"), *asker.Find("acme"));
}

TEST_F(TenantDomainsTest, AllCoordinatorsAgree) {
  Asker here(records_);
  Asker there(records_);
  EXPECT_EQ(*here.Find("acme"), *there.Find("acme"));
}

TEST_F(TenantDomainsTest, WhoIsSlowerTakesWhatTheOtherDrew) {
  Asker here(records_);
  Asker there(records_);
  uint64_t theirs = 0;
  here.store.AfterGet([&](const std::string&) {
    if (theirs == 0) theirs = *there.Find("acme");
  });
  EXPECT_EQ(*here.Find("acme"), theirs);
}

TEST_F(TenantDomainsTest, ADamagedOneIsReplaced) {
  for (const std::string bad : {"", "0", "xyz", "12 ", "11112222333344445"}) {
    MemoryMetaStore records;
    ASSERT_TRUE(records.CompareAndSet(kKey, 0, bad).ok());
    Asker asker(records);
    const auto domain = asker.Find("acme");
    ASSERT_TRUE(domain.ok()) << domain.status().ToString();
    EXPECT_NE(*domain, 0u);
    EXPECT_EQ(*Asker(records).Find("acme"), *domain);
  }
}

TEST_F(TenantDomainsTest, WhileTheStoreIsAwayKnownOnesStayKnown) {
  Asker asker(records_);
  const uint64_t acme = *asker.Find("acme");
  asker.store.FailWith(Unavailable("away"));
  EXPECT_EQ(*asker.Find("acme"), acme);
  EXPECT_EQ(asker.Find("other").status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace promptcache::testing
