#include "coordinator/schema_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cachestore/memory/memory_store.h"
#include "tests/fakes/fake_transport.h"
#include "tests/unit/coordinator/fake_background.h"
#include "tests/unit/coordinator/fake_store.h"
#include "tests/unit/layout/toy_compiler.h"

namespace promptcache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Document(const std::string& name, const std::string& text) {
  return "<schema name=\"" + name + "\">" + text + "</schema>";
}

// A coordinator's catalog on a network of its own; the records are the only thing two of them
// share.
class Site {
 public:
  explicit Site(MetaStore& records, CatalogOptions options = {})
      : transport_(network, "coordinator"), background(transport_), records_(records) {
    options.store_endpoint = FakeStore::kEndpoint;
    options.max_schema_bytes = 1 << 20;
    catalog.emplace(CatalogDeps{transport_, background, network.clock(), compiler_.encoder()},
                    options);
  }

  Site& StartStore() {
    store.emplace(network, records_);
    return *this;
  }
  Site& Start() {
    EXPECT_TRUE(catalog->Start().ok());
    catalog->WhenLoaded([this] { ++times_loaded; });
    return Settle();
  }
  Site& Settle(milliseconds time = seconds(3)) {
    network.Advance(time);
    return *this;
  }

  Status Add(const std::string& document) {
    Status status = Internal("no answer");
    catalog->Add({.document = document}, [&](const Result<SchemaPtr>& added) {
      EXPECT_EQ(status.code(), Code::kInternal) << "answered twice";
      status = added.status();
    });
    Settle(seconds(30));
    return status;
  }
  Status Remove(const std::string& name) {
    Status status = Internal("no answer");
    catalog->Remove(name, [&](const Status& removed) { status = removed; });
    Settle(seconds(30));
    return status;
  }
  // The document that the name selects, or the error's words.
  std::string Current(const std::string& name) const {
    const auto schema = catalog->Find(name, "");
    return schema.ok() ? (*schema)->document : std::string(CodeName(schema.status().code()));
  }

  FakeNetwork network;

 private:
  FakeTransport transport_;

 public:
  FakeBackground background;
  std::optional<FakeStore> store;
  std::optional<SchemaCatalog> catalog;
  int times_loaded = 0;

 private:
  MetaStore& records_;
  ToyCompiler compiler_;
};

class CatalogTest : public ::testing::Test {
 protected:
  // What the next start would log.
  std::string LogOf(const std::function<void()>& act) {
    ::testing::internal::CaptureStderr();
    act();
    return ::testing::internal::GetCapturedStderr();
  }
  std::string OnlyKey() {
    const auto entries = *records_.List("");
    EXPECT_EQ(entries.size(), 1u);
    return entries.empty() ? "" : entries[0].key;
  }
  void Overwrite(const std::string& key, const std::string& value) {
    const auto entry = *records_.Get(key);
    ASSERT_TRUE(records_.CompareAndSet(key, entry ? entry->revision : 0, value).ok());
  }

  MemoryMetaStore records_;
};

TEST_F(CatalogTest, RegisteredSchemaIsThereAfterARestart) {
  std::string version;
  {
    Site first(records_);
    first.StartStore().Start();
    ASSERT_TRUE(first.Add(Document("s", "one")).ok());
    ASSERT_TRUE(first.Add(Document("s", "two")).ok());
    version = (*first.catalog->Find("s", ""))->version;
  }
  Site second(records_);
  second.StartStore().Start();
  EXPECT_EQ(second.times_loaded, 1);
  EXPECT_EQ(second.Current("s"), Document("s", "two"));
  EXPECT_EQ((*second.catalog->Find("s", ""))->version, version);
  EXPECT_EQ(second.catalog->List("s")->size(), 2u);
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
        site.catalog->Add({.document = Document("s", text)}, [](const auto& added) {
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
                        {.max_schema_bytes = 1 << 20});
  ASSERT_TRUE(catalog.Start().ok());
  bool loaded = false;
  catalog.WhenLoaded([&] { loaded = true; });
  EXPECT_TRUE(loaded);
  EXPECT_FALSE(catalog.store_is_up());
  catalog.Add({.document = Document("s", "one")},
              [](const auto& added) { EXPECT_TRUE(added.ok()); });
  network.RunUntilIdle();
  EXPECT_TRUE(catalog.Find("s", "").ok());
  Status removed = Internal("no answer");
  catalog.Remove("s", [&](const Status& status) { removed = status; });
  EXPECT_TRUE(removed.ok());
  EXPECT_EQ(catalog.size(), 0u);
}

TEST_F(CatalogTest, BadDocumentIsRefusedAndNothingIsWritten) {
  Site site(records_);
  site.StartStore().Start();
  const Status status = site.Add("<schema name=\"s\">\n<nope/></schema>");
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("schema:2:1"));
  EXPECT_TRUE(records_.List("")->empty());
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
  ASSERT_TRUE(records_.CompareAndRemove(key, 1).ok());
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
  const Status found = site.catalog->Find("s", "").status();
  EXPECT_EQ(found.code(), Code::kUnavailable);
  EXPECT_THAT(found.message(), HasSubstr("tcp://127.0.0.1:7422"));
  EXPECT_EQ(site.catalog->List("").status().code(), Code::kUnavailable);
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
  EXPECT_THAT(site.catalog->Find("s", "").status().message(), HasSubstr("not now"));
  site.store->FailWith({});
  site.Settle();
  EXPECT_EQ(site.times_loaded, 1);
}

TEST_F(CatalogTest, LoadingThatGetsNoAnswerIsTriedAgainOnTheSameLink) {
  Site site(records_);
  site.StartStore();
  site.store->SetSilent(true);
  LogOf([&] { site.Start().Settle(seconds(11)); });
  EXPECT_THAT(site.catalog->Find("s", "").status().message(), HasSubstr("loaded"));
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
  EXPECT_TRUE(site.catalog->List("").ok());
  EXPECT_FALSE(site.catalog->store_is_up());
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
  site.catalog->Add({.document = Document("s", "one")},
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

// ---- limits ----

TEST_F(CatalogTest, AllRecordsTogetherHaveALimitThatRemovalMakesRoomUnder) {
  Site site(records_, {.max_total_bytes = 8'000});
  site.StartStore().Start();
  ASSERT_TRUE(site.Add(Document("s", std::string(5'000, 'x'))).ok());
  const Status status = site.Add(Document("t", std::string(5'000, 'x')));
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the limit is 8000"), HasSubstr("schema rm")));
  EXPECT_EQ(records_.List("")->size(), 1u);
  EXPECT_TRUE(site.Add(Document("s", std::string(5'000, 'x'))).ok()) << "it replaces itself";
  ASSERT_TRUE(site.Remove("s").ok());
  EXPECT_TRUE(site.Add(Document("t", std::string(5'000, 'x'))).ok());
}

TEST_F(CatalogTest, ChangesThatWaitForTheStoreHaveALimitAndAllAreAnswered) {
  Site site(records_);
  site.StartStore().Start();
  ASSERT_TRUE(site.Add(Document("s", "one")).ok());
  site.store->SetSilent(true);
  std::map<Code, int> answers;
  for (int n = 0; n < 300; ++n) {
    site.catalog->Remove("s", [&](const Status& status) { ++answers[status.code()]; });
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
  site.catalog->Add({.document = Document("s", "one")}, ignore);
  site.network.RunUntilIdle();
  site.background.Hold();
  site.catalog->Add({.document = Document("t", "one")}, ignore);
  site.catalog.reset();
  site.Settle(seconds(30));
}

}  // namespace
}  // namespace promptcache::testing
