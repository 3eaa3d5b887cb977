// Damaged records of a store on disk: the others are read, and what is lost can be written anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cachestore/disk/disk_core.h"
#include "cachestore/disk/open.h"
#include "tests/unit/cachestore/disk_damage.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;

constexpr int kRecords = 30;

std::string KeyOf(int number) { return "schema/s" + std::to_string(100 + number); }
// More than a block.
std::string ValueOf(int number) { return "text of " + KeyOf(number) + std::string(5'000, 'x'); }

class RecordDamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Open();
    for (uint32_t seed = 1; seed <= 40; ++seed) {
      samples_.push_back(MakeSampleBlob({.seed = seed}));
      ASSERT_TRUE(PutBytes(store_->blobs(), samples_.back().key, samples_.back().bytes).ok());
    }
    for (int i = 0; i < kRecords; ++i) {
      ASSERT_TRUE(store_->meta().CompareAndSet(KeyOf(i), 0, ValueOf(i)).ok());
    }
  }

  void Open() {
    store_.reset();
    store_ = OpenDiskStore({.directory = directory_}).value();
  }
  void Damage(const std::string& text) {
    store_.reset();
    ASSERT_GT(DamageRecords(directory_, text), 0);
    Open();
    EXPECT_EQ(store_->report().quarantined_to, "");
  }
  std::vector<std::string> Listed(const std::string& prefix) {
    std::vector<std::string> keys;
    const auto entries = store_->meta().List(prefix, UINT64_MAX).value();
    for (const MetaEntry& entry : entries) keys.push_back(entry.key);
    return keys;
  }
  static std::vector<std::string> AllBut(std::initializer_list<int> lost) {
    std::vector<std::string> keys;
    for (int i = 0; i < kRecords; ++i) {
      if (std::find(lost.begin(), lost.end(), i) == lost.end()) keys.push_back(KeyOf(i));
    }
    return keys;
  }
  uint64_t ReadableBlobs() {
    uint64_t count = 0;
    for (const SampleBlob& sample : samples_) {
      const auto bytes = GetBytes(store_->blobs(), sample.key);
      if (bytes.ok() && *bytes == sample.bytes) ++count;
    }
    return count;
  }

  TempDir dir_;
  const std::string directory_ = dir_.Sub("store");
  std::vector<SampleBlob> samples_;
  std::unique_ptr<DiskStore> store_;
};

TEST_F(RecordDamageTest, ListsPassADamagedRecordOverAndItCanBeWrittenAnew) {
  Damage(ValueOf(7));
  EXPECT_EQ(store_->report().records_in_damage, 1u);
  EXPECT_EQ(Listed("schema/"), AllBut({7}));
  EXPECT_EQ(ReadableBlobs(), samples_.size());
  uint64_t revision = 0;
  for (int round = 0; round < 2; ++round) {
    revision = store_->meta().CompareAndSet(KeyOf(7), revision, "anew").value();
    EXPECT_EQ(Listed("schema/"), AllBut({}));
    Open();
    EXPECT_EQ(store_->report().records_in_damage, 0u);
    EXPECT_EQ(Listed("schema/"), AllBut({}));
    EXPECT_EQ(store_->meta().Get(KeyOf(7)).value()->value, "anew");
  }
}

TEST_F(RecordDamageTest, PagesGoOnBehindADamagedRecord) {
  Damage(ValueOf(7));
  std::vector<std::string> listed;
  for (MetaPage page{.more = true}; page.more;) {
    const std::string after = listed.empty() ? "" : listed.back();
    page = *store_->meta().Page({.prefix = "schema/", .after = after, .limit = 1});
    for (const MetaEntry& entry : page.entries) listed.push_back(entry.key);
  }
  EXPECT_EQ(listed, AllBut({7}));
}

// Each opening leaves a table of the first level; with a damaged one they are not compacted.
TEST_F(RecordDamageTest, WritesGoOnHoweverOftenADamagedStoreIsOpened) {
  Damage(ValueOf(7));
  for (int round = 0; round < 50; ++round) {
    const std::string key = "schema/t" + std::to_string(round);
    ASSERT_TRUE(store_->meta().CompareAndSet(key, 0, ValueOf(1)).ok());
    Open();
  }
  EXPECT_EQ(Listed("schema/t").size(), 50u);
  EXPECT_EQ(Listed("schema/s"), AllBut({7}));
}

TEST_F(RecordDamageTest, WhatStandsBetweenTwoDamagedRecordsIsListed) {
  Damage(ValueOf(0));
  Damage(ValueOf(11));
  Damage(ValueOf(13));
  Damage(ValueOf(29));
  EXPECT_EQ(Listed("schema/"), AllBut({0, 11, 13, 29}));
  EXPECT_EQ(Listed("schema/s11"),
            (std::vector<std::string>{KeyOf(10), KeyOf(12), KeyOf(14), KeyOf(15), KeyOf(16),
                                      KeyOf(17), KeyOf(18), KeyOf(19)}));
}

TEST_F(RecordDamageTest, DamageUnderAnOpenStoreIsTakenForAbsentByWhoExpectsNothing) {
  Open();  // its records are in a table now
  Open();
  ASSERT_TRUE(store_->meta().CompareAndSet("other", 0, "o").ok());
  std::vector<std::string> tables;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    if (entry.path().extension() == ".sst") tables.push_back(entry.path());
  }
  for (const std::string& table : tables) {
    std::ifstream stream(table, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    const size_t at = bytes.find(ValueOf(7));
    if (at != std::string::npos) FlipByte(table, at);
  }
  MetaStore& meta = store_->meta();
  for (const Status& status :
       {meta.Get(KeyOf(7)).status(), meta.CompareAndSet(KeyOf(7), 1, "next").status(),
        meta.CompareAndRemove(KeyOf(7), 1)}) {
    EXPECT_EQ(status.code(), Code::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr(KeyOf(7)));
    EXPECT_THAT(status.message(), HasSubstr("as if it were absent"));
  }
  EXPECT_EQ(Listed("schema/"), AllBut({7}));
  ASSERT_TRUE(meta.CompareAndSet(KeyOf(7), 0, "anew").ok());
  EXPECT_EQ(Listed("schema/"), AllBut({}));
  Open();
  EXPECT_EQ(store_->meta().Get(KeyOf(7)).value()->value, "anew");
}

TEST_F(RecordDamageTest, AMalformedRecordIsCountedPassedOverAndCanBeRemoved) {
  store_.reset();
  {
    const auto database = internal::Database::Open({.directory = directory_}).value();
    const std::string key = internal::RecordKey(KeyOf(3));
    ASSERT_TRUE(database->db().Put({}, database->meta(), key, "1234567").ok());
  }
  Open();
  EXPECT_EQ(store_->report().damaged_records, 1u);
  EXPECT_EQ(Listed(""), AllBut({3}));
  const CheckReport check = store_->admin().Check(CheckMode::kReport).value();
  ASSERT_EQ(check.findings.size(), 1u);
  EXPECT_EQ(check.findings[0].kind, "record damaged");
  EXPECT_EQ(check.findings[0].where, KeyOf(3));
  EXPECT_TRUE(store_->meta().CompareAndRemove(KeyOf(3), 0).ok());
  EXPECT_FALSE(store_->meta().Get(KeyOf(3)).value().has_value());
}

TEST_F(RecordDamageTest, AFileThatNoManifestNamesIsToldByItsPath) {
  store_.reset();
  std::string file;
  {
    const auto database = internal::Database::Open({.directory = directory_}).value();
    const UnitKey& key = samples_[0].key;
    file = FileOf(*database, ManifestOf(*database, key));
    for (const std::string& record : {internal::ManifestKey(key), internal::UseKey(key)}) {
      ASSERT_TRUE(database->db().Delete({}, database->meta(), record).ok());
    }
  }
  const auto store = OpenDiskStoreReadOnly(directory_).value();
  EXPECT_EQ(store->admin().Check(CheckMode::kReport).value().findings,
            (std::vector<CheckFinding>{{"chunks without a manifest", file}}));
}

TEST_F(RecordDamageTest, ADamagedVersionKeepsTheStoreAndIsWrittenAnew) {
  Damage("sversion");
  EXPECT_EQ(ReadableBlobs(), samples_.size());
  store_.reset();
  const auto database = internal::Database::Open({.directory = directory_}).value();
  EXPECT_EQ(database->GetMeta("sversion").value(),
            internal::EncodeNumber(internal::kDirectoryVersion));
}

TEST_F(RecordDamageTest, BlobsWhoseManifestsAreLostCanBeStoredAnewForGood) {
  // A text that stands in manifests and in nothing else.
  Damage(std::string(reinterpret_cast<const char*>(samples_[0].header.recipe_digest.bytes.data()),
                     32));
  EXPECT_LT(ReadableBlobs(), samples_.size());
  EXPECT_GT(ReadableBlobs(), 0u);
  for (const SampleBlob& sample : samples_) {
    const Status put = PutBytes(store_->blobs(), sample.key, sample.bytes);
    EXPECT_TRUE(put.ok() || put.code() == Code::kAlreadyExists);
  }
  Open();
  EXPECT_EQ(ReadableBlobs(), samples_.size());
}

// Blocks of many small records; newer ones stand in another table and in the log.
TEST_F(RecordDamageTest, NewerRecordsBesideADamagedBlockAreListedAndKept) {
  const auto key = [](int number) { return "small/" + std::to_string(1000 + number); };
  for (int i = 0; i < 400; i += 2) {
    ASSERT_TRUE(store_->meta().CompareAndSet(key(i), 0, "old " + key(i)).ok());
  }
  Open();
  Open();  // they are in a table
  for (int i = 1; i < 400; i += 4) ASSERT_TRUE(store_->meta().CompareAndSet(key(i), 0, "n").ok());
  const uint64_t revision = store_->meta().Get(key(202)).value()->revision;
  ASSERT_TRUE(store_->meta().CompareAndSet(key(202), revision, "newer").ok());
  Damage("old " + key(200));
  for (int round = 0; round < 2; ++round) {
    const std::vector<std::string> listed = Listed("small/");
    for (int i = 1; i < 400; i += 4) {
      EXPECT_EQ(std::count(listed.begin(), listed.end(), key(i)), 1) << i;
      EXPECT_EQ(store_->meta().Get(key(i)).value()->value, "n");
    }
    EXPECT_EQ(std::count(listed.begin(), listed.end(), key(202)), 1);
    EXPECT_EQ(std::count(listed.begin(), listed.end(), key(200)), 0);
    EXPECT_EQ(ReadableBlobs(), samples_.size());
    EXPECT_TRUE(store_->admin().Check(CheckMode::kRepair).ok());
    Open();
  }
}

TEST_F(RecordDamageTest, ATableThatCannotBeOpenedMovesTheStoreAside) {
  ASSERT_TRUE(store_->meta().CompareAndSet("job/1", 0, "queued").ok());
  Open();
  Open();
  std::vector<std::string> tables;
  {
    store_.reset();
    const auto database = internal::Database::Open({.directory = directory_}).value();
    std::vector<rocksdb::LiveFileMetaData> files;
    database->db().GetLiveFilesMetaData(&files);
    for (const auto& file : files) {
      if (file.column_family_name == "meta") tables.push_back(directory_ + file.name);
    }
  }
  ASSERT_FALSE(tables.empty());
  FlipByte(tables.front(), std::filesystem::file_size(tables.front()) - 3);  // the footer
  Open();
  EXPECT_NE(store_->report().quarantined_to, "");
  uint64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(store_->report().quarantined_to)) {
    files += entry.path().extension() == ".sst" ? 1 : 0;
  }
  EXPECT_GT(files, samples_.size());  // nothing of it was deleted
}

// Nothing of a store that a later version wrote is taken for damage.
TEST_F(RecordDamageTest, AManifestOfALaterVersionRefusesTheStore) {
  store_.reset();
  {
    const auto database = internal::Database::Open({.directory = directory_}).value();
    const std::string key = internal::ManifestKey(samples_[0].key);
    std::string value = database->GetMeta(key).value();
    value[0] = 9;
    value.resize(value.size() - sizeof(Hash128));
    const Hash128 hash = Xxh3_128({reinterpret_cast<const uint8_t*>(value.data()), value.size()});
    value += internal::EncodeNumber(hash.low) + internal::EncodeNumber(hash.high);
    ASSERT_TRUE(database->db().Put({}, database->meta(), key, value).ok());
  }
  const Status status = OpenDiskStore({.directory = directory_}).status();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("version 9, this build reads 1 and 2"));
}

}  // namespace
}  // namespace promptcache::testing
