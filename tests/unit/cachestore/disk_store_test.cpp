// What only the store on disk does: damage, unfinished puts, locks, reopening.
#include "cachestore/disk/database.h"
#include "cachestore/disk/manifest.h"
#include "cachestore/disk/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

using internal::ChunkKey;
using internal::Database;
using internal::Manifest;
using internal::ManifestKey;
using internal::OpenMode;
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
    change(*Database::Open(directory_, OpenMode::kReadWrite).value());
    Open();
  }
  static Manifest ManifestOf(Database& database, const UnitKey& key) {
    return internal::DecodeManifest(key, database.GetMeta(ManifestKey(key)).value()).value();
  }
  // How many records of chunks there are, and of how many puts.
  std::pair<int, int> ChunksAndPuts() {
    std::pair<int, int> counts{0, 0};
    Close();
    {
      const auto database = Database::Open(directory_, OpenMode::kReadWrite).value();
      const std::unique_ptr<rocksdb::Iterator> it(database->db().NewIterator({}, database->data()));
      uint64_t last = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        const uint64_t generation = internal::GenerationOfChunkKey(it->key().ToStringView());
        ++counts.first;
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
  const auto before = blobs().List().value();
  Close();
  Open();
  EXPECT_EQ(blobs().List().value(), before);
  for (const SampleBlob* blob : {&small_, &large_}) {
    EXPECT_TRUE(GetBytes(blobs(), blob->key).value() == blob->bytes);
  }
  EXPECT_EQ(blobs().Stats().value().bytes, small_.bytes.size() + large_.bytes.size());
  EXPECT_EQ(store_->meta().Get("schema/a").value()->value, "text");
  EXPECT_EQ(store_->report().unfinished_puts, 0u);
}

// The chunk is changed through RocksDB, whose own checksum therefore agrees.
TEST_F(DiskStoreTest, FlippedByteInAStoredChunkIsFoundCountedAndCanBeOverwritten) {
  for (const SampleBlob* blob : {&small_, &large_}) {
    ASSERT_TRUE(PutBytes(blobs(), blob->key, blob->bytes).ok());
    Behind([&](Database& database) {
      const Manifest manifest = ManifestOf(database, blob->key);
      const auto last = static_cast<uint32_t>(manifest.chunk_hashes.size() - 1);
      std::string value;
      ASSERT_TRUE(
          database.db().Get({}, database.data(), ChunkKey(manifest.generation, last), &value).ok());
      value[value.size() / 2] ^= 0x20;
      ASSERT_TRUE(
          database.db().Put({}, database.data(), ChunkKey(manifest.generation, last), value).ok());
    });
    const auto damaged = GetBytes(blobs(), blob->key);
    EXPECT_EQ(damaged.status().code(), Code::kDataLoss);
    EXPECT_THAT(damaged.status().message(), HasSubstr(blob->key.ToHex()));
    EXPECT_THAT(damaged.status().message(), HasSubstr("fails its checksum"));
    EXPECT_EQ(blobs().Stats().value().corruptions, 1u);
    EXPECT_EQ(blobs().Open(blob->key).status().code(), Code::kNotFound);
    ASSERT_TRUE(PutBytes(blobs(), blob->key, blob->bytes).ok());
    EXPECT_TRUE(GetBytes(blobs(), blob->key).value() == blob->bytes);
  }
}

TEST_F(DiskStoreTest, ChunkThatIsMissingIsFoundAndCounted) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    const uint64_t generation = ManifestOf(database, large_.key).generation;
    ASSERT_TRUE(database.db().Delete({}, database.data(), ChunkKey(generation, 1)).ok());
  });
  const auto damaged = GetBytes(blobs(), large_.key);
  EXPECT_EQ(damaged.status().code(), Code::kDataLoss);
  EXPECT_THAT(damaged.status().message(), HasSubstr("chunk 1 is missing"));
  EXPECT_EQ(blobs().Stats().value().corruptions, 1u);
  EXPECT_EQ(ChunksAndPuts(), std::pair(0, 0));
}

TEST_F(DiskStoreTest, ReaderOfADamagedBlobDoesNotDropItsSuccessor) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    const uint64_t generation = ManifestOf(database, large_.key).generation;
    ASSERT_TRUE(database.db().Put({}, database.data(), ChunkKey(generation, 1), "short").ok());
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
  Close();
  Open();  // from here on the sweep takes both for settled
  Behind([&](Database& database) {
    std::string value = database.GetMeta(ManifestKey(large_.key)).value();
    value[20] ^= 1;
    ASSERT_TRUE(database.db().Put({}, database.meta(), ManifestKey(large_.key), value).ok());
  });
  EXPECT_EQ(store_->report().bad_manifests, 1u);
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
    const auto broken = blobs().StartPut(large_.key, large_.bytes.size()).value();
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

TEST_F(DiskStoreTest, UnfinishedPutsOfAnEarlierProcessAreSwept) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Behind([&](Database& database) {
    const uint64_t used = ManifestOf(database, large_.key).generation;
    for (const uint64_t generation : {used + 1, used + 5}) {
      for (const uint32_t chunk : {0u, 1u, 7u}) {
        ASSERT_TRUE(
            database.db().Put({}, database.data(), ChunkKey(generation, chunk), "half").ok());
      }
    }
  });
  EXPECT_EQ(store_->report().unfinished_puts, 2u);
  EXPECT_EQ(ChunksAndPuts().second, 1);
  EXPECT_TRUE(GetBytes(blobs(), large_.key).value() == large_.bytes);
}

TEST_F(DiskStoreTest, SecondWriterOfTheDirectoryIsRefused) {
  const Status second = OpenDiskStore({.directory = directory_}).status();
  EXPECT_EQ(second.code(), Code::kFailedPrecondition);
  EXPECT_THAT(second.message(), HasSubstr("in use by another process"));
}

TEST_F(DiskStoreTest, ReadOnlyLooksAndChangesNothing) {
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  ASSERT_TRUE(store_->meta().CompareAndSet("k", 0, "v").ok());
  Close();
  const auto looking = OpenDiskStoreReadOnly(directory_).value();
  EXPECT_TRUE(GetBytes(looking->blobs(), large_.key).value() == large_.bytes);
  EXPECT_EQ(looking->meta().Get("k").value()->value, "v");
  for (const Status& status :
       {looking->blobs().StartPut(small_.key, 100).status(), looking->blobs().Remove(large_.key),
        looking->blobs().ReportCorrupt(large_.key),
        looking->meta().CompareAndSet("k", 1, "w").status(),
        looking->meta().CompareAndRemove("k", 1)}) {
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
  EXPECT_TRUE(blobs().List().value().empty());
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
}

TEST_F(DiskStoreTest, PutThatWouldFillTheDiskIsRefused) {
  Close();
  store_ = OpenDiskStore({.directory = directory_, .min_free_bytes = uint64_t{1} << 60}).value();
  const Status full = PutBytes(blobs(), small_.key, small_.bytes);
  EXPECT_EQ(full.code(), Code::kResourceExhausted);
  EXPECT_TRUE(store_->meta().CompareAndSet("k", 0, "small records still fit").ok());
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
  Manifest manifest{.generation = 7, .chunk_hashes = {{.low = 1, .high = 2}}};
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

}  // namespace
}  // namespace promptcache::testing
