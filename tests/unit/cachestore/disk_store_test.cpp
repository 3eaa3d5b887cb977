// What only the store on disk does: damage, unfinished puts, locks, reopening.
#include "cachestore/disk/disk_core.h"
#include "cachestore/disk/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/cachestore/disk_damage.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using internal::ChunkKey;
using internal::Database;
using internal::Manifest;
using internal::ManifestKey;
using ::testing::HasSubstr;

class DiskStoreTest : public ::testing::Test {
 protected:
  void Open() { store_ = OpenDiskStore({.directory = directory_}).value(); }
  void Close() { store_.reset(); }
  BlobStore& blobs() { return store_->blobs(); }

  // Runs `change` on the database while the store is closed, then opens the store again.
  template <typename Change>
  void Behind(Change change) {
    Close();
    change(*Database::Open({.directory = directory_}).value());
    Open();
  }
  // How many records of chunks there are, and of how many puts.
  std::pair<int, int> ChunksAndPuts() {
    std::pair<int, int> counts{0, 0};
    Close();
    {
      const auto database = Database::Open({.directory = directory_}).value();
      const std::unique_ptr<rocksdb::Iterator> it(database->db().NewIterator({}, database->data()));
      uint64_t last = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        const uint64_t generation = internal::GenerationOfChunkKey(it->key().ToStringView());
        const bool is_chunk = it->key().size() == ChunkKey(0, 0).size();  // others are fillers
        if (is_chunk) ++counts.first;
        if (std::exchange(last, generation) != generation) ++counts.second;
      }
    }
    Open();
    return counts;
  }

  void SetUp() override { Open(); }

  const SampleBlob small_ = MakeSampleBlob();
  const SampleBlob large_ = MakeLargeBlob(2, 3 << 20);
  TempDir dir_;
  const std::string directory_ = dir_.Sub("store");
  std::unique_ptr<DiskStore> store_;
};

TEST_F(DiskStoreTest, CommittedBlobsAndRecordsAreThereAfterReopening) {
  for (const SampleBlob* blob : {&small_, &large_}) {
    ASSERT_TRUE(PutBytes(blobs(), blob->key, blob->bytes).ok());
  }
  ASSERT_TRUE(store_->meta().CompareAndSet("schema/a", 0, "text").ok());
  const auto before = ListAll(blobs()).value();
  Close();
  Open();
  EXPECT_EQ(ListAll(blobs()).value(), before);
  for (const SampleBlob* blob : {&small_, &large_}) {
    EXPECT_TRUE(GetBytes(blobs(), blob->key).value() == blob->bytes);
  }
  EXPECT_EQ(blobs().Stats().value().bytes, small_.bytes.size() + large_.bytes.size());
  EXPECT_EQ(store_->meta().Get("schema/a").value()->value, "text");
  EXPECT_EQ(store_->report().unfinished_puts, 0u);
}

TEST_F(DiskStoreTest, FlippedByteInAStoredChunkIsFoundCountedAndCanBeOverwritten) {
  for (const SampleBlob* blob : {&small_, &large_}) {
    ASSERT_TRUE(PutBytes(blobs(), blob->key, blob->bytes).ok());
    Behind([&](Database& database) {
      const Manifest manifest = ManifestOf(database, blob->key);
      FlipByte(FileOf(database, manifest), manifest.chunks.back().file_offset + 1000);
    });
    const auto damaged = GetBytes(blobs(), blob->key);
    EXPECT_EQ(damaged.status().code(), Code::kDataLoss);
    EXPECT_THAT(damaged.status().message(), HasSubstr(blob->key.ToHex()));
    EXPECT_EQ(blobs().Stats().value().corruptions, 1u);
    EXPECT_EQ(blobs().Open(blob->key).status().code(), Code::kNotFound);
    ASSERT_TRUE(PutBytes(blobs(), blob->key, blob->bytes).ok());
    EXPECT_TRUE(GetBytes(blobs(), blob->key).value() == blob->bytes);
  }
}

TEST_F(DiskStoreTest, WholeChunksButTheFirstBeginAtAPageOfTheFile) {
  const SampleBlob blob = MakeLargeBlob(3, 12 << 20);
  ASSERT_TRUE(PutBytes(blobs(), blob.key, blob.bytes).ok());
  Behind([&](Database& database) {
    const Manifest manifest = ManifestOf(database, blob.key);
    const uint64_t whole = manifest.info.bytes / internal::kChunkBytes;
    ASSERT_GT(whole, 10u);
    for (uint64_t i = 1; i < whole; ++i) EXPECT_EQ(manifest.chunks[i].file_offset % 4096, 0u) << i;
    const std::string file = FileOf(database, manifest);
    EXPECT_LT(std::filesystem::file_size(file), manifest.info.bytes + whole * 4096 + 8192);
  });
  EXPECT_TRUE(GetBytes(blobs(), blob.key).value() == blob.bytes);
}

TEST_F(DiskStoreTest, InspectingADamagedBlobTellsAndLeavesIt) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    const Manifest manifest = ManifestOf(database, large_.key);
    FlipByte(FileOf(database, manifest), manifest.chunks[1].file_offset);
  });
  std::vector<uint8_t> out(large_.bytes.size());
  for (int i = 0; i < 2; ++i) {
    const Status status = blobs().Inspect(large_.key).value()->Read(0, out);
    EXPECT_EQ(status.code(), Code::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("chunk 1"));
  }
  EXPECT_EQ(blobs().Stats().value().corruptions, 0u);
}

// Should a chunk not lie where the manifest says, RocksDB finds it.
TEST_F(DiskStoreTest, AWrongPlaceInTheFileCostsTimeOnly) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    Manifest manifest = ManifestOf(database, large_.key);
    manifest.chunks[0].file_offset = 0;
    manifest.chunks[1].file_offset += 1;
    manifest.chunks[2].file_offset = uint64_t{1} << 60;
    ASSERT_TRUE(
        database.db()
            .Put({}, database.meta(), ManifestKey(large_.key), internal::EncodeManifest(manifest))
            .ok());
  });
  EXPECT_TRUE(GetBytes(blobs(), large_.key).value() == large_.bytes);
}

TEST_F(DiskStoreTest, AFileThatIsMissingOrCutShortIsFoundAtOpening) {
  for (const bool missing : {true, false}) {
    ASSERT_TRUE(PutBytes(blobs(), small_.key, small_.bytes).ok());
    ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
    std::string file;
    Behind([&](Database& database) {
      file = FileOf(database, ManifestOf(database, large_.key));
      if (missing) {
        std::filesystem::remove(file);
      } else {
        std::filesystem::resize_file(file, 100);
      }
    });
    EXPECT_EQ(store_->report().quarantined_to, "");
    EXPECT_EQ(store_->report().damaged_blobs, 1u);
    EXPECT_EQ(store_->report().unfinished_puts, 0u);
    EXPECT_EQ(blobs().Open(large_.key).status().code(), Code::kNotFound);
    EXPECT_TRUE(GetBytes(blobs(), small_.key).value() == small_.bytes);
    ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
    EXPECT_TRUE(GetBytes(blobs(), large_.key).value() == large_.bytes);
    EXPECT_TRUE(store_->admin().Check(CheckMode::kReport).value().findings.empty());
    ASSERT_TRUE(blobs().Remove(large_.key).ok());
    ASSERT_TRUE(blobs().Remove(small_.key).ok());
  }
}

TEST_F(DiskStoreTest, ReaderOfADamagedBlobDoesNotDropItsSuccessor) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    const Manifest manifest = ManifestOf(database, large_.key);
    FlipByte(FileOf(database, manifest), manifest.chunks[1].file_offset);
  });
  const auto reader = blobs().Open(large_.key).value();
  ASSERT_TRUE(blobs().Remove(large_.key).ok());
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  std::vector<uint8_t> out(large_.bytes.size());
  EXPECT_EQ(reader->Read(0, out).code(), Code::kDataLoss);
  EXPECT_TRUE(GetBytes(blobs(), large_.key).value() == large_.bytes);
}

TEST_F(DiskStoreTest, DamagedManifestIsDroppedAtOpeningWithItsChunks) {
  ASSERT_TRUE(PutBytes(blobs(), small_.key, small_.bytes).ok());
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    std::string value = database.GetMeta(ManifestKey(large_.key)).value();
    value[20] ^= 1;
    ASSERT_TRUE(database.db().Put({}, database.meta(), ManifestKey(large_.key), value).ok());
  });
  EXPECT_EQ(store_->report().damaged_blobs, 1u);
  EXPECT_EQ(store_->report().unfinished_puts, 0u);
  EXPECT_EQ(blobs().Open(large_.key).status().code(), Code::kNotFound);
  EXPECT_EQ(blobs().Stats().value().blobs, 1u);
  EXPECT_EQ(blobs().Stats().value().corruptions, 1u);
  EXPECT_EQ(ChunksAndPuts(), std::pair(1, 1));
  EXPECT_TRUE(GetBytes(blobs(), small_.key).value() == small_.bytes);
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  EXPECT_TRUE(GetBytes(blobs(), large_.key).value() == large_.bytes);
}

TEST_F(DiskStoreTest, PutsThatEndOrAreRefusedLeaveNoChunks) {
  {
    const auto broken = blobs().StartPut({large_.key, large_.bytes.size()}).value();
    ASSERT_TRUE(broken->Append(std::span(large_.bytes).first(2 << 20)).ok());
  }
  std::vector<uint8_t> damaged = large_.bytes;
  damaged.back() ^= 1;
  EXPECT_EQ(PutBytes(blobs(), large_.key, damaged).code(), Code::kDataLoss);
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  ASSERT_TRUE(blobs().Remove(large_.key).ok());
  EXPECT_EQ(ChunksAndPuts(), std::pair(0, 0));
  EXPECT_EQ(store_->report().unfinished_puts, 0u);
}

// As after a kill between ingestion and manifest.
TEST_F(DiskStoreTest, ChunksWithoutAManifestAreSweptAtOpening) {
  ASSERT_TRUE(PutBytes(blobs(), small_.key, small_.bytes).ok());
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    ASSERT_TRUE(database.db().Delete({}, database.meta(), ManifestKey(large_.key)).ok());
  });
  EXPECT_EQ(store_->report().unfinished_puts, 1u);
  EXPECT_EQ(ChunksAndPuts(), std::pair(1, 1));
  EXPECT_TRUE(GetBytes(blobs(), small_.key).value() == small_.bytes);
}

TEST_F(DiskStoreTest, ADirectoryWithoutItsHeadIsMovedAsideAndNotDeleted) {
  for (const char* gone : {"CURRENT", "MANIFEST-"}) {
    ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
    Close();
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (entry.path().filename().string().starts_with(gone)) std::filesystem::remove(entry);
    }
    Open();
    const std::string moved = store_->report().quarantined_to;
    ASSERT_THAT(moved, HasSubstr(".quarantine.")) << gone;
    bool has_tables = false;
    for (const auto& entry : std::filesystem::directory_iterator(moved)) {
      has_tables = has_tables || entry.path().extension() == ".sst";
    }
    EXPECT_TRUE(has_tables) << gone;
  }
}

TEST_F(DiskStoreTest, ADirectoryOfALaterVersionIsRefusedByName) {
  Close();
  {
    const auto database = Database::Open({.directory = directory_}).value();
    ASSERT_TRUE(
        database->db().Put({}, database->meta(), "sversion", internal::EncodeNumber(9)).ok());
  }
  for (const Status& status : {OpenDiskStore({.directory = directory_}).status(),
                               OpenDiskStoreReadOnly(directory_).status()}) {
    EXPECT_EQ(status.code(), Code::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr("of format 9, this version reads up to 2"));
  }
}

TEST_F(DiskStoreTest, SecondWriterOfTheDirectoryIsRefused) {
  const Status second = OpenDiskStore({.directory = directory_}).status();
  EXPECT_EQ(second.code(), Code::kFailedPrecondition);
  EXPECT_THAT(second.message(), HasSubstr("in use by another process"));
}

TEST_F(DiskStoreTest, ReadOnlyLooksAndChangesNothing) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  const uint64_t revision = store_->meta().CompareAndSet("k", 0, "v").value();
  Close();
  const auto looking = OpenDiskStoreReadOnly(directory_).value();
  EXPECT_TRUE(GetBytes(looking->blobs(), large_.key).value() == large_.bytes);
  EXPECT_EQ(looking->meta().Get("k").value()->value, "v");
  for (const Status& status :
       {looking->blobs().StartPut({small_.key, 100}).status(), looking->blobs().Remove(large_.key),
        looking->blobs().ReportCorrupt(large_.key),
        looking->meta().CompareAndSet("k", revision, "w").status(),
        looking->meta().CompareAndRemove("k", revision)}) {
    EXPECT_EQ(status.code(), Code::kFailedPrecondition) << status.ToString();
  }
}

TEST_F(DiskStoreTest, ReadOnlyOfNoStoreIsNotFound) {
  EXPECT_EQ(OpenDiskStoreReadOnly(dir_.Sub("nothing")).status().code(), Code::kNotFound);
}

TEST_F(DiskStoreTest, DamagedDatabaseIsMovedAsideAndSaysWhere) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Close();
  std::ofstream(directory_ + "/CURRENT", std::ios::trunc) << "nonsense";
  EXPECT_EQ(OpenDiskStoreReadOnly(directory_).status().code(), Code::kDataLoss);
  Open();
  const std::string moved = store_->report().quarantined_to;
  EXPECT_THAT(moved, HasSubstr(directory_ + ".quarantine."));
  EXPECT_TRUE(std::filesystem::exists(moved + "/CURRENT"));
  EXPECT_TRUE(ListAll(blobs()).value().empty());
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
}

TEST_F(DiskStoreTest, RevisionsGoOnBehindARemovalWhenTheStoreIsOpenedAgain) {
  uint64_t last = 0;
  for (int round = 0; round < 4; ++round) {
    uint64_t revision = store_->meta().CompareAndSet("job/1", 0, "x").value();
    EXPECT_GT(revision, last);
    for (int i = 0; i < 9; ++i) revision = *store_->meta().CompareAndSet("job/1", revision, "x");
    last = revision;
    ASSERT_TRUE(store_->meta().CompareAndRemove("job/1", last).ok());
    Close();
    Open();
  }
}

TEST_F(DiskStoreTest, RecordCutShortIsDataLossAndNamesItsKey) {
  ASSERT_TRUE(store_->meta().CompareAndSet("schema/a", 0, "text").ok());
  Behind([&](Database& database) {
    ASSERT_TRUE(
        database.db().Put({}, database.meta(), internal::RecordKey("schema/a"), "1234567").ok());
  });
  const Status status = store_->meta().Get("schema/a").status();
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("schema/a"));
}

TEST(Manifest, EveryFlippedByteAndEveryLengthIsRefused) {
  const SampleBlob blob = MakeSampleBlob();
  Manifest manifest{.generation = 7, .chunks = {{{.low = 1, .high = 2}, 23}}};
  manifest.info = {.key = blob.key, .identity = blob.header.identity, .bytes = 100, .tokens = 3};
  manifest.info.mode = EncodingMode::kScaffoldSet;
  const std::string good = internal::EncodeManifest(manifest);
  EXPECT_EQ(internal::DecodeManifest(blob.key, good).value(), manifest);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x40;
    EXPECT_EQ(internal::DecodeManifest(blob.key, bad).status().code(), Code::kDataLoss) << i;
    EXPECT_EQ(internal::DecodeManifest(blob.key, good.substr(0, i)).status().code(),
              Code::kDataLoss);
  }
  EXPECT_FALSE(internal::DecodeManifest(blob.key, good + std::string(16, '\0')).ok());
}

TEST(Use, EveryFlippedByteAndEveryLengthIsRefused) {
  const UnitKey key = MakeSampleBlob().key;
  const BlobUse use{.used_unix_ms = 1,
                    .imports = 2,
                    .weight = 1.5,
                    .pinned = true,
                    .references = {{{"", "a", "0123456789abcdef", "a/b"}, {.ttl_ms = 3}, 4},
                                   {{"tenant", "a", "", ""}, {.pinned = true}, 5}}};
  const std::string good = internal::EncodeUse(use);
  EXPECT_EQ(internal::DecodeUse(key, good).value(), use);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x40;
    EXPECT_EQ(internal::DecodeUse(key, bad).status().code(), Code::kDataLoss) << i;
    EXPECT_EQ(internal::DecodeUse(key, good.substr(0, i)).status().code(), Code::kDataLoss);
  }
}

}  // namespace
}  // namespace promptcache::testing
