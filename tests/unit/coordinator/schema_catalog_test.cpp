// Schemas that are registered, removed and loaded again; limits.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/catalog_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(CatalogTest, RegisteredSchemaIsThereAfterARestart) {
  std::string version;
  {
    Site first(records_);
    first.StartStore().Start();
    ASSERT_TRUE(first.Add(Document("s", "one")).ok());
    ASSERT_TRUE(first.Add(Document("s", "two")).ok());
    version = (*first.catalog->Find({}, "s", ""))->version;
  }
  Site second(records_);
  second.StartStore().Start();
  EXPECT_EQ(second.times_loaded, 1);
  EXPECT_EQ(second.Current("s"), Document("s", "two"));
  EXPECT_EQ((*second.catalog->Find({}, "s", ""))->version, version);
  EXPECT_EQ(second.catalog->List({}, "s")->size(), 2u);
}

TEST_F(CatalogTest, SchemaIsNotUsedBeforeItIsPersisted) {
  Site site(records_);
  site.StartStore().Start();
  site.store->FailWith(Unavailable("the disk is full"));
  const Status status = site.Add(Document("s", "one"));
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("cachestore"), HasSubstr("the disk is full")));
  EXPECT_EQ(site.Current("s"), "not found");
  EXPECT_EQ(site.catalog->size(), 0u);
}

TEST_F(CatalogTest, RegistrationAfterTheClockWasSetBackIsCurrentNowAndAfterARestart) {
  {
    Site first(records_);
    first.StartStore().Start().Settle(seconds(600));
    ASSERT_TRUE(first.Add(Document("s", "one")).ok());
  }
  {
    Site earlier(records_);  // its clock begins anew
    earlier.StartStore().Start();
    ASSERT_TRUE(earlier.Add(Document("s", "two")).ok());
    EXPECT_EQ(earlier.Current("s"), Document("s", "two"));
  }
  Site third(records_);
  third.StartStore().Start();
  EXPECT_EQ(third.Current("s"), Document("s", "two"));
}

TEST_F(CatalogTest, TwoRegistrationsInOneMillisecondKeepTheirOrderAfterARestart) {
  for (const bool reversed : {false, true}) {
    MemoryMetaStore records;
    const std::string last = reversed ? "one" : "two";
    {
      Site site(records);
      site.StartStore().Start();
      for (const std::string text : {reversed ? "two" : "one", last.c_str()}) {
        site.catalog->Add({.document = Document("s", text)}, "", [](const auto& added) {
          EXPECT_TRUE(added.ok()) << added.status().ToString();
        });
      }
      site.network.RunUntilIdle();
      EXPECT_EQ(site.Current("s"), Document("s", last));
    }
    Site restarted(records);
    restarted.StartStore().Start();
    EXPECT_EQ(restarted.Current("s"), Document("s", last));
  }
}

TEST_F(CatalogTest, RemovedSchemaStaysRemovedAfterARestart) {
  {
    Site site(records_);
    site.StartStore().Start();
    ASSERT_TRUE(site.Add(Document("s", "one")).ok());
    ASSERT_TRUE(site.Add(Document("s", "two")).ok());
    ASSERT_TRUE(site.Add(Document("t", "one")).ok());
    EXPECT_TRUE(site.Remove("s").ok());
    EXPECT_EQ(site.Current("s"), "not found");
    EXPECT_EQ(site.Remove("s").code(), Code::kNotFound);
  }
  Site restarted(records_);
  restarted.StartStore().Start();
  EXPECT_EQ(restarted.Current("s"), "not found");
  EXPECT_EQ(restarted.Current("t"), Document("t", "one"));
}

TEST_F(CatalogTest, RemovalThatTheStoreRefusesLeavesTheSchemaInUse) {
  Site site(records_);
  site.StartStore().Start();
  ASSERT_TRUE(site.Add(Document("s", "one")).ok());
  site.store->FailWith(Internal("no luck"));
  EXPECT_EQ(site.Remove("s").code(), Code::kInternal);
  EXPECT_EQ(site.Current("s"), Document("s", "one"));
}

TEST_F(CatalogTest, WithoutAStoreSchemasLiveInMemory) {
  FakeNetwork network;
  FakeTransport transport(network, "coordinator");
  FakeBackground background(transport);
  const ToyCompiler compiler;
  SchemaCatalog catalog({transport, background, network.clock(), compiler.encoder()},
                        {.limits = {.document_bytes = 1 << 20}});
  bool loaded = false;
  catalog.WhenLoaded([&] { loaded = true; });
  EXPECT_TRUE(loaded);
  catalog.Add({.document = Document("s", "one")}, "",
              [](const auto& added) { EXPECT_TRUE(added.ok()); });
  network.RunUntilIdle();
  EXPECT_TRUE(catalog.Find({}, "s", "").ok());
  Status removed = Internal("no answer");
  catalog.Remove({}, "s", [&](const Status& status) { removed = status; });
  EXPECT_TRUE(removed.ok());
  EXPECT_EQ(catalog.size(), 0u);
}

TEST_F(CatalogTest, BadDocumentIsRefusedAndNothingIsWritten) {
  Site site(records_);
  site.StartStore().Start();
  const Status status = site.Add("<schema name=\"s\">\n<nope/></schema>");
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("schema:2:1"));
  EXPECT_TRUE(records_.List("", UINT64_MAX)->empty());
}

// ---- limits ----

TEST_F(CatalogTest, AllRecordsTogetherHaveALimitThatRemovalMakesRoomUnder) {
  Site site(records_, {.max_total_bytes = 8'000});
  site.StartStore().Start();
  ASSERT_TRUE(site.Add(Document("s", std::string(5'000, 'x'))).ok());
  const Status status = site.Add(Document("t", std::string(5'000, 'x')));
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the limit is 8000"), HasSubstr("schema rm")));
  EXPECT_EQ(records_.List("schema/", UINT64_MAX)->size(), 1u);
  EXPECT_TRUE(site.Add(Document("s", std::string(5'000, 'x'))).ok()) << "it replaces itself";
  ASSERT_TRUE(site.Remove("s").ok());
  EXPECT_TRUE(site.Add(Document("t", std::string(5'000, 'x'))).ok());
}

TEST_F(CatalogTest, SchemasOfOneTenantLeaveRoomForThoseOfOthers) {
  Site site(records_, {.max_total_bytes = 100'000});
  site.StartStore().Start();
  Status status;
  for (int n = 0; status.ok() && n < 20; ++n) {
    status = site.Add(Document("s" + std::to_string(n), std::string(5'000, 'x')), "a");
  }
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("of this tenant"));
  EXPECT_TRUE(site.Add(Document("s", std::string(5'000, 'x')), "b").ok());
  EXPECT_TRUE(site.Add(Document("s0", std::string(5'000, 'x')), "a").ok()) << "it replaces itself";
}

TEST_F(CatalogTest, ChangesOfOneTenantThatWaitLeaveRoomForThoseOfOthers) {
  Site site(records_);
  site.StartStore().Start();
  ASSERT_TRUE(site.Add(Document("s", "one"), "b").ok());
  site.store->SetSilent(true);
  int refused = 0;
  for (int n = 0; n < 300; ++n) {
    site.catalog->Remove({.tenant = "a"}, "s", [&](const Status& status) {
      refused += status.code() == Code::kBusy ? 1 : 0;
    });
  }
  EXPECT_GT(refused, 0);
  site.store->SetSilent(false);
  Status removed = Internal("no answer");
  site.catalog->Remove({.tenant = "b"}, "s", [&](const Status& status) { removed = status; });
  EXPECT_EQ(removed.code(), Code::kInternal) << "it waits for its turn";
}

TEST_F(CatalogTest, ChangesThatWaitForTheStoreHaveALimitAndAllAreAnswered) {
  Site site(records_);
  site.StartStore().Start();
  ASSERT_TRUE(site.Add(Document("s", "one")).ok());
  site.store->SetSilent(true);
  std::map<Code, int> answers;
  for (int n = 0; n < 300; ++n) {
    site.catalog->Remove({}, "s", [&](const Status& status) { ++answers[status.code()]; });
  }
  EXPECT_GT(answers[Code::kBusy], 0);
  site.store.reset();
  site.Settle(seconds(10));
  EXPECT_EQ(answers[Code::kBusy] + answers[Code::kUnavailable], 300);
}

TEST_F(CatalogTest, BusyBackgroundDelaysLoadingButLosesNothing) {
  {
    Site site(records_);
    site.StartStore().Start();
    ASSERT_TRUE(site.Add(Document("s", "one")).ok());
  }
  Site restarted(records_);
  restarted.background.SetFull(true);
  restarted.StartStore().Start();
  EXPECT_EQ(restarted.times_loaded, 0);
  restarted.background.SetFull(false);
  restarted.Settle();
  EXPECT_EQ(restarted.times_loaded, 1);
  EXPECT_EQ(restarted.Current("s"), Document("s", "one"));
}

TEST_F(CatalogTest, BusyBackgroundRefusesARegistration) {
  Site site(records_);
  site.StartStore().Start();
  site.background.SetFull(true);
  EXPECT_EQ(site.Add(Document("s", "one")).code(), Code::kBusy);
}

TEST_F(CatalogTest, MayGoWhileWorkAndWritesArePending) {
  Site site(records_);
  site.StartStore().Start();
  site.store->SetSilent(true);
  const auto ignore = [](const Result<SchemaPtr>&) { ADD_FAILURE() << "called after the end"; };
  site.catalog->Add({.document = Document("s", "one")}, "", ignore);
  site.network.RunUntilIdle();
  site.background.Hold();
  site.catalog->Add({.document = Document("t", "one")}, "", ignore);
  site.Stop();
  site.Settle(seconds(30));
}

}  // namespace
}  // namespace promptcache::testing
