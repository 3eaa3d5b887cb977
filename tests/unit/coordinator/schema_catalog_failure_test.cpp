// Damaged records, and a store that fails.
#include <gmock/gmock.h>

#include "tests/unit/coordinator/catalog_fixture.h"

namespace promptcache::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(CatalogTest, WhatWaitsForTheStoreIsBoundedByBytes) {
  Site site(records_, {.max_waiting_bytes = 1 << 20});
  site.StartStore().Start();
  site.store->SetSilent(true);
  std::vector<Code> ends;
  for (int n = 0; n < 3; ++n) {
    const std::string text = std::to_string(n) + "<!--" + std::string(200'000, ' ') + "-->";
    site.catalog->Add({.document = Document("s", text)}, "", [&](const Result<SchemaPtr>& added) {
      ends.push_back(added.status().code());
    });
  }
  EXPECT_THAT(ends, ElementsAre(Code::kBusy));
  site.Settle(seconds(30));
  EXPECT_THAT(ends, ElementsAre(Code::kBusy, Code::kUnavailable, Code::kUnavailable));
  site.store->SetSilent(false);
  site.Settle(seconds(30));
  EXPECT_TRUE(site.Add(Document("s", "<!--" + std::string(900'000, ' ') + "-->one")).ok());
}

TEST_F(CatalogTest, WhatOneTenantHasWaitingLeavesRoomForOthers) {
  Site site(records_, {.max_waiting_bytes = 1 << 20});
  site.StartStore().Start();
  const std::string padding = "<!--" + std::string(200'000, ' ') + "-->";
  std::vector<Code> ends;
  for (int n = 0; n < 5; ++n) {
    site.catalog->Add({.document = Document("s", std::to_string(n) + padding)}, "a",
                      [&](const auto& added) { ends.push_back(added.status().code()); });
  }
  EXPECT_THAT(ends, ElementsAre(Code::kBusy, Code::kBusy, Code::kBusy));
  EXPECT_TRUE(site.Add(Document("s", "one" + padding), "b").ok());
}

// ---- damaged records ----

TEST_F(CatalogTest, DamagedRecordIsNamedInTheLogAndTheOthersAreLoaded) {
  {
    Site site(records_);
    site.StartStore().Start();
    ASSERT_TRUE(site.Add(Document("good", "one")).ok());
  }
  Overwrite("schema/broken/0123", "{\"format\": 1, \"docum");
  Overwrite("schema/empty/0123", "");
  Site restarted(records_);
  restarted.StartStore();
  const std::string log = LogOf([&] { restarted.Start(); });
  EXPECT_EQ(restarted.times_loaded, 1);
  EXPECT_EQ(restarted.Current("good"), Document("good", "one"));
  EXPECT_EQ(restarted.catalog->size(), 1u);
  EXPECT_THAT(log, AllOf(HasSubstr("schema/broken/0123"), HasSubstr("schema/empty/0123")));
}

TEST_F(CatalogTest, ThousandsOfDamagedRecordsAreSkipped) {
  for (int n = 0; n < 5'000; ++n) Overwrite("schema/broken/" + std::to_string(n), "?");
  Site site(records_);
  site.StartStore();
  LogOf([&] { site.Start(); });
  EXPECT_EQ(site.times_loaded, 1);
}

TEST_F(CatalogTest, RecordUnderAnotherNameOrVersionIsSkipped) {
  {
    Site site(records_);
    site.StartStore().Start();
    ASSERT_TRUE(site.Add(Document("s", "one")).ok());
  }
  const std::string key = OnlyKey();
  const std::string record = (*records_.Get(key))->value;
  ASSERT_TRUE(records_.CompareAndRemove(key, (*records_.Get(key))->revision).ok());
  Overwrite("schema/t/" + key.substr(key.rfind('/') + 1), record);
  Overwrite("schema/s/0123456789abcdef", record);
  Site restarted(records_);
  restarted.StartStore();
  const std::string log = LogOf([&] { restarted.Start(); });
  EXPECT_EQ(restarted.catalog->size(), 0u);
  EXPECT_THAT(log, HasSubstr("its content belongs to '" + key));
}

TEST_F(CatalogTest, FlippedByteNeverBecomesAnotherSchema) {
  const std::string document = Document("s", "one<module name=\"A\">two</module>");
  {
    Site site(records_);
    site.StartStore().Start();
    ASSERT_TRUE(site.Add(document).ok());
  }
  const std::string key = OnlyKey();
  const std::string record = (*records_.Get(key))->value;
  int skipped = 0;
  for (size_t at = 0; at < record.size(); ++at) {
    std::string damaged = record;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x04);
    Overwrite(key, damaged);
    Site site(records_);
    site.StartStore();
    LogOf([&] { site.Start(); });
    ASSERT_EQ(site.times_loaded, 1);
    const std::string current = site.Current("s");
    EXPECT_TRUE(current == document || current == "not found") << "byte " << at << ": " << current;
    skipped += current == "not found" ? 1 : 0;
  }
  EXPECT_GT(skipped, static_cast<int>(document.size()));
}

// ---- a store that fails ----

TEST_F(CatalogTest, UntilTheStoreIsThereEveryCallSaysSo) {
  Site site(records_);
  site.Start();
  EXPECT_EQ(site.times_loaded, 0);
  const Status found = site.catalog->Find({}, "s", "").status();
  EXPECT_EQ(found.code(), Code::kUnavailable);
  EXPECT_THAT(found.message(), HasSubstr("tcp://127.0.0.1:7422"));
  EXPECT_EQ(site.catalog->List({}, "").status().code(), Code::kUnavailable);
  EXPECT_EQ(site.Add(Document("s", "one")).code(), Code::kUnavailable);
  EXPECT_EQ(site.Remove("s").code(), Code::kUnavailable);
  site.StartStore().Settle(seconds(10));
  EXPECT_EQ(site.times_loaded, 1);
  EXPECT_TRUE(site.Add(Document("s", "one")).ok());
}

TEST_F(CatalogTest, LoadingThatTheStoreRefusesIsTriedAgainOnTheSameLink) {
  Site site(records_);
  site.StartStore();
  site.store->FailWith(Internal("not now"));
  LogOf([&] { site.Start(); });
  EXPECT_EQ(site.times_loaded, 0);
  EXPECT_THAT(site.catalog->Find({}, "s", "").status().message(), HasSubstr("not now"));
  site.store->FailWith({});
  site.Settle();
  EXPECT_EQ(site.times_loaded, 1);
}

TEST_F(CatalogTest, LoadingThatGetsNoAnswerIsTriedAgainOnTheSameLink) {
  Site site(records_);
  site.StartStore();
  site.store->SetSilent(true);
  LogOf([&] { site.Start().Settle(seconds(11)); });
  EXPECT_THAT(site.catalog->Find({}, "s", "").status().message(), HasSubstr("loaded"));
  site.store->SetSilent(false);
  site.Settle(seconds(15));
  EXPECT_EQ(site.times_loaded, 1);
}

TEST_F(CatalogTest, LoadedSchemasKeepServingWhileTheStoreIsAwayAndChangesAreRefused) {
  Site site(records_);
  site.StartStore().Start();
  ASSERT_TRUE(site.Add(Document("s", "one")).ok());
  site.store.reset();
  site.Settle(seconds(10));
  EXPECT_EQ(site.Current("s"), Document("s", "one"));
  EXPECT_TRUE(site.catalog->List({}, "").ok());
  const Status add = site.Add(Document("t", "one"));
  EXPECT_EQ(add.code(), Code::kUnavailable);
  EXPECT_THAT(add.message(), HasSubstr("start it and try again"));
  EXPECT_EQ(site.Remove("s").code(), Code::kUnavailable);
  site.StartStore().Settle(seconds(10));
  EXPECT_TRUE(site.Add(Document("t", "one")).ok());
}

TEST_F(CatalogTest, StoreThatSaysNothingEndsARegistrationWithAnErrorNotWithAHang) {
  Site site(records_);
  site.StartStore().Start();
  site.store->SetSilent(true);
  const Status status = site.Add(Document("s", "one"));
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("does not answer"));
}

TEST_F(CatalogTest, StoreLostDuringARegistrationEndsIt) {
  Site site(records_);
  site.StartStore().Start();
  site.store->SetSilent(true);
  Status status;
  site.catalog->Add({.document = Document("s", "one")}, "",
                    [&](const Result<SchemaPtr>& added) { status = added.status(); });
  site.network.RunUntilIdle();
  site.store.reset();
  site.Settle(seconds(5));
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(site.Current("s"), "not found");
}

TEST_F(CatalogTest, WriteThatLosesARaceIsTriedAgain) {
  Site site(records_);
  site.StartStore().Start();
  int races = 2;
  site.store->AfterGet([&](const std::string& key) {
    if (races-- > 0) Overwrite(key, "another coordinator's");
  });
  EXPECT_TRUE(site.Add(Document("s", "one")).ok());
  EXPECT_THAT((*records_.Get(OnlyKey()))->value, HasSubstr("one"));
  races = 1'000;
  EXPECT_EQ(site.Add(Document("s", "one")).code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace promptcache::testing
