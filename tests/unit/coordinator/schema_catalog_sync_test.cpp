// Several coordinators with one store: what one of them changes the others come to know.
#include <gmock/gmock.h>

#include <map>

#include "tests/unit/coordinator/catalog_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class CatalogSyncTest : public CatalogTest {
 protected:
  CatalogSyncTest() {
    here_.StartStore().Start();
    there_.StartStore().Start();
  }
  // What is there once `site` has caught up, in no time.
  static std::string CurrentNow(Site& site, const std::string& name) {
    std::string current = "never caught up";
    site.catalog->CatchUp("", [&](const Status&) { current = site.Current(name); });
    site.network.RunUntilIdle();
    return current;
  }

  Site here_{records_};
  Site there_{records_};
};

TEST_F(CatalogSyncTest, RegistrationsAndRemovalsElsewhereAreKnownWithinSeconds) {
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  here_.Settle(seconds(2));
  EXPECT_EQ(here_.Current("s"), Document("s", "one"));
  ASSERT_TRUE(there_.Add(Document("s", "two")).ok());
  here_.Settle(seconds(2));
  EXPECT_EQ(here_.Current("s"), Document("s", "two"));
  ASSERT_TRUE(there_.Remove("s").ok());
  here_.Settle(seconds(2));
  EXPECT_EQ(here_.Current("s"), "not found");
}

TEST_F(CatalogSyncTest, WhoCatchesUpKnowsWhatWasRegisteredBefore) {
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  EXPECT_EQ(here_.Current("s"), "not found");
  EXPECT_EQ(CurrentNow(here_, "s"), Document("s", "one"));
}

TEST_F(CatalogSyncTest, AVersionThatIsRegisteredAgainElsewhereIsCurrentHere) {
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  ASSERT_TRUE(there_.Add(Document("s", "two")).ok());
  EXPECT_EQ(CurrentNow(here_, "s"), Document("s", "two"));
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  EXPECT_EQ(CurrentNow(here_, "s"), Document("s", "one"));
}

TEST_F(CatalogSyncTest, ARemovalMeansVersionsThatWereRegisteredElsewhereToo) {
  ASSERT_TRUE(here_.Add(Document("s", "one")).ok());
  ASSERT_TRUE(there_.Add(Document("s", "two")).ok());
  ASSERT_TRUE(here_.Remove("s").ok());
  EXPECT_TRUE(records_.List("schema/", UINT64_MAX)->empty());
}

TEST_F(CatalogSyncTest, WhileNothingChangesOneRecordIsReadASecond) {
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  here_.Settle(seconds(2));
  const size_t requests = here_.store->requests();
  const size_t lists = here_.store->lists();
  here_.Settle(seconds(10));
  EXPECT_EQ(here_.store->lists(), lists);
  EXPECT_LE(here_.store->requests() - requests, 11u * 2);  // with the heartbeats of the link
}

TEST_F(CatalogSyncTest, WhatACoordinatorChangesItselfItDoesNotReadAgain) {
  const size_t lists = here_.store->lists();
  ASSERT_TRUE(here_.Add(Document("s", "one")).ok());
  here_.Settle(seconds(10));
  EXPECT_EQ(here_.store->lists(), lists);
}

TEST_F(CatalogSyncTest, ManyThatCatchUpAtOnceReadOnce) {
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  const size_t lists = here_.store->lists();
  int caught_up = 0;
  for (int n = 0; n < 1'000; ++n) here_.catalog->CatchUp("", [&](const Status&) { ++caught_up; });
  here_.network.RunUntilIdle();
  EXPECT_EQ(caught_up, 1'000);
  EXPECT_EQ(here_.store->lists(), lists + 1);
}

TEST_F(CatalogSyncTest, ManyOfOneTenantThatCatchUpLeavePlacesForOthers) {
  std::map<Code, int> ends;
  const auto ended = [&](const Status& status) { ++ends[status.code()]; };
  for (int n = 0; n < 4'096; ++n) here_.catalog->CatchUp("a", ended);
  EXPECT_GT(ends[Code::kBusy], 0);
  const int busy = ends[Code::kBusy];
  here_.catalog->CatchUp("b", ended);
  here_.network.RunUntilIdle();
  EXPECT_EQ(ends[Code::kBusy], busy);
  EXPECT_EQ(ends[Code::kOk], 4'097 - busy);
}

TEST_F(CatalogSyncTest, WhoCaughtUpIsAnsweredOneATurn) {
  int caught_up = 0;
  for (int n = 0; n < 3; ++n) here_.catalog->CatchUp("", [&](const Status&) { ++caught_up; });
  for (int before = 0; here_.network.Step(); before = caught_up) EXPECT_LE(caught_up, before + 1);
  EXPECT_EQ(caught_up, 3);
}

TEST_F(CatalogSyncTest, OfTwoThatRegisterAtOnceEachComesToKnowTheOthersSchema) {
  there_.store->AfterGet([this, written = false](const std::string& key) mutable {
    const Status added = written ? here_.Add(Document("here", "one")) : Status();
    EXPECT_TRUE(added.ok());
    written = key.starts_with("schema/");
  });
  ASSERT_TRUE(there_.Add(Document("there", "one")).ok());
  EXPECT_EQ(CurrentNow(here_, "there"), Document("there", "one"));
  EXPECT_EQ(CurrentNow(there_, "here"), Document("here", "one"));
}

TEST_F(CatalogSyncTest, OfTwoTenantsThatShareANameAtOnceOneGivesWay) {
  const auto share = [](Site& site, const std::string& tenant) {
    Status status;
    site.catalog->Add({.document = Document("s", tenant), .shared = true}, tenant,
                      [&](const Result<SchemaPtr>& added) { status = added.status(); });
    site.Settle(seconds(30));
    return status;
  };
  there_.store->AfterGet([&, is_first = true](const std::string& key) mutable {
    if (!key.starts_with("schema@") || !std::exchange(is_first, false)) return;
    EXPECT_TRUE(share(here_, "acme").ok());
  });
  EXPECT_EQ(share(there_, "rival").code(), Code::kAlreadyExists);
  EXPECT_EQ(records_.List("schema@", UINT64_MAX)->size(), 1u);
  EXPECT_EQ(there_.Current("s"), Document("s", "acme"));
}

TEST_F(CatalogSyncTest, AChangeThatWasNotToldIsFoundWithinAMinute) {
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  here_.Settle(seconds(2));
  const std::string key = OnlyKey();
  ASSERT_TRUE(records_.CompareAndRemove(key, records_.Get(key).value()->revision).ok());
  here_.Settle(seconds(61));
  EXPECT_EQ(here_.Current("s"), "not found");
}

TEST_F(CatalogSyncTest, ARegistrationThatOthersMayNotKnowSaysSoAndServesHere) {
  here_.store->AfterGet([this, written = false](const std::string& key) mutable {
    if (written) here_.store->FailWith(Unavailable("the disk is full"));
    written = key.starts_with("schema/");
  });
  const Status added = here_.Add(Document("s", "one"));
  EXPECT_EQ(added.code(), Code::kUnavailable);
  EXPECT_THAT(added.message(), HasSubstr("other coordinators may not know of it yet"));
  EXPECT_EQ(here_.Current("s"), Document("s", "one"));
}

TEST_F(CatalogSyncTest, WhileTheStoreIsAwayWhatIsLoadedServesAndNobodyWaits) {
  ASSERT_TRUE(there_.Add(Document("s", "one")).ok());
  here_.Settle(seconds(2));
  here_.store.reset();
  here_.Settle(seconds(10));
  bool caught_up = false;
  here_.catalog->CatchUp("", [&](const Status&) { caught_up = true; });
  EXPECT_TRUE(caught_up);
  EXPECT_EQ(here_.Current("s"), Document("s", "one"));
  ASSERT_TRUE(there_.Add(Document("s", "two")).ok());
  here_.StartStore().Settle(seconds(10));
  EXPECT_EQ(here_.Current("s"), Document("s", "two"));
}

TEST_F(CatalogSyncTest, AStoreThatSaysNothingLetsThoseGoThatWait) {
  here_.store->SetSilent(true);
  bool caught_up = false;
  here_.catalog->CatchUp("", [&](const Status&) { caught_up = true; });
  here_.Settle(seconds(21));
  EXPECT_TRUE(caught_up);
}

}  // namespace
}  // namespace promptcache::testing
