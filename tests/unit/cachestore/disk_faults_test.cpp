// Writes that fail under a store on disk: what was answered OK is there after reopening.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cachestore/disk/disk_core.h"
#include "cachestore/disk/open.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"
#include "tests/unit/cachestore/torn_log.h"

namespace promptcache::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// As for a user who may not write the directory.
class ForbiddenLock : public rocksdb::FileSystemWrapper {
 public:
  ForbiddenLock() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "ForbiddenLock"; }
  rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions& /*options*/,
                             rocksdb::FileLock** /*lock*/,
                             rocksdb::IODebugContext* /*dbg*/) override {
    return rocksdb::IOStatus::IOError("while open a file for lock: " + name, "Permission denied");
  }
};

class DiskFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override { store_.reset(); }

  void Open() {
    store_.reset();
    store_ = OpenDiskStore({.directory = dir_.Sub("store"), .environment = environment_}).value();
  }
  BlobStore& blobs() { return store_->blobs(); }
  Status Put(const SampleBlob& blob) { return PutBytes(blobs(), blob.key, blob.bytes); }

  TempDir dir_;
  const std::shared_ptr<TornLogFileSystem> files_ = std::make_shared<TornLogFileSystem>();
  const std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(files_);
  const std::shared_ptr<const internal::DiskEnvironment> environment_ =
      std::make_shared<internal::DiskEnvironment>(internal::DiskEnvironment{.env = env_.get()});
  std::unique_ptr<DiskStore> store_;
};

TEST(DiskLock, ThatMayNotBeTakenIsNotSaidToBeAnotherProcesss) {
  const TempDir dir;
  const auto env = rocksdb::NewCompositeEnv(std::make_shared<ForbiddenLock>());
  const Status status = OpenDiskStore({.directory = dir.Sub("store"),
                                       .environment = std::make_shared<internal::DiskEnvironment>(
                                           internal::DiskEnvironment{.env = env.get()})})
                            .status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("Permission denied"));
  EXPECT_THAT(status.message(), Not(HasSubstr("another process")));
}

TEST_F(DiskFaultsTest, WhatIsCommittedBehindATornWriteOfTheLogIsThereAfterReopening) {
  ASSERT_TRUE(Put(MakeSampleBlob({.seed = 1})).ok());
  const uint64_t before = store_->meta().CompareAndSet("schema/a", 0, "before").value();
  files_->TearNextWrite();
  EXPECT_EQ(Put(MakeSampleBlob({.seed = 2})).code(), Code::kUnavailable);
  for (uint32_t seed = 3; seed < 6; ++seed) ASSERT_TRUE(Put(MakeSampleBlob({.seed = seed})).ok());
  ASSERT_TRUE(store_->meta().CompareAndSet("schema/a", before, "behind").ok());
  const uint64_t job = store_->meta().CompareAndSet("job/1", 0, "queued").value();
  Open();
  EXPECT_EQ(store_->report().damaged_blobs, 0u);
  for (const uint32_t seed : {1u, 3u, 4u, 5u}) {
    const SampleBlob blob = MakeSampleBlob({.seed = seed});
    const auto bytes = GetBytes(blobs(), blob.key);
    EXPECT_TRUE(bytes.ok() && *bytes == blob.bytes) << seed;
  }
  for (const MetaEntry& kept :
       {MetaEntry{"schema/a", "behind", before + 1}, MetaEntry{"job/1", "queued", job}}) {
    EXPECT_EQ(store_->meta().Get(kept.key).value(), kept);
  }
}

TEST_F(DiskFaultsTest, LogsMayBeTornOneAfterTheOther) {
  for (const char* key : {"a", "b", "c"}) {
    for (int i = 0; i < 2; ++i) {
      files_->TearNextWrite();
      EXPECT_FALSE(store_->meta().CompareAndSet(key, 0, "torn").ok());
    }
    const auto kept = store_->meta().CompareAndSet(key, 0, "kept");
    ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  }
  Open();
  for (const char* key : {"a", "b", "c"}) {
    EXPECT_EQ(store_->meta().Get(key).value()->value, "kept");
  }
}

TEST_F(DiskFaultsTest, WithoutANewLogNothingIsOkBehindATornWrite) {
  files_->TearNextWrite();
  EXPECT_FALSE(store_->meta().CompareAndSet("a", 0, "torn").ok());
  files_->RefuseLogs(true);
  EXPECT_FALSE(store_->meta().CompareAndSet("b", 0, "behind").ok());
  EXPECT_FALSE(store_->meta().CompareAndSet("c", 0, "behind").ok());
  files_->RefuseLogs(false);
  Open();
  ASSERT_TRUE(store_->meta().CompareAndSet("d", 0, "kept").ok());
}

}  // namespace
}  // namespace promptcache::testing
