// A store on a disk that has no room, or has it again.
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

class DiskFullTest : public ::testing::Test {
 protected:
  void Open(DiskStoreOptions options) {
    options.directory = directory_;
    options.environment = std::make_shared<internal::DiskEnvironment>(internal::DiskEnvironment{
        .free_bytes = [this](const std::string&) -> Result<uint64_t> { return free_.load(); }});
    store_.reset();
    store_ = OpenDiskStore(options).value();
  }
  BlobStore& blobs() { return store_->blobs(); }

  const SampleBlob small_ = MakeSampleBlob();
  const SampleBlob large_ = MakeLargeBlob(2, 3 << 20);
  TempDir dir_;
  const std::string directory_ = dir_.Sub("store");
  std::atomic<uint64_t> free_ = 1 << 30;
  std::unique_ptr<DiskStore> store_;
};

TEST_F(DiskFullTest, AFullDiskRefusesBlobsThenEverythingAndServesOnAndRecovers) {
  Open({});
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  Open({.min_free_bytes = 64 << 20});
  free_ = 64 << 20;
  EXPECT_EQ(PutBytes(blobs(), small_.key, small_.bytes).code(), Code::kResourceExhausted);
  const uint64_t revision = store_->meta().CompareAndSet("k", 0, "small records still fit").value();
  EXPECT_EQ(blobs().Stats().value().read_only, "");
  free_ = 1 << 20;
  for (const Status& status :
       {PutBytes(blobs(), small_.key, small_.bytes), blobs().Remove(large_.key),
        store_->meta().CompareAndSet("k", revision, "v").status(),
        store_->admin().CollectGarbage().status()}) {
    EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("only reads until"));
  }
  EXPECT_THAT(blobs().Stats().value().read_only, HasSubstr("is full"));
  EXPECT_TRUE(GetBytes(blobs(), large_.key).value() == large_.bytes);
  free_ = 1 << 30;
  EXPECT_EQ(blobs().Stats().value().read_only, "");
  EXPECT_TRUE(PutBytes(blobs(), small_.key, small_.bytes).ok());
  EXPECT_TRUE(store_->meta().CompareAndSet("k", revision, "v").ok());
  EXPECT_TRUE(blobs().Remove(large_.key).ok());
}

TEST_F(DiskFullTest, APutThatTheDiskHasNoRoomForDropsNothing) {
  Open({.quota_bytes = 4 << 20, .min_free_bytes = 1 << 20});
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  const SampleBlob next = MakeLargeBlob(3, 3 << 20);
  free_ = 1 << 19;
  EXPECT_EQ(PutBytes(blobs(), next.key, next.bytes).code(), Code::kResourceExhausted);
  EXPECT_TRUE(blobs().Contains({&large_.key, 1}).value()[0]);
  free_ = 2 << 20;
  EXPECT_TRUE(PutBytes(blobs(), next.key, next.bytes).ok());
  EXPECT_FALSE(blobs().Contains({&large_.key, 1}).value()[0]);
}

TEST_F(DiskFullTest, DamageIsCountedWhenTheBlobIsDroppedAndNotBefore) {
  Open({});
  ASSERT_TRUE(PutBytes(blobs(), large_.key, large_.bytes).ok());
  store_.reset();
  DamageChunk(directory_, large_.key, 1);
  Open({});
  free_ = 0;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(GetBytes(blobs(), large_.key).status().code(), Code::kDataLoss);
    EXPECT_EQ(blobs().Stats().value().corruptions, 0u);
  }
  free_ = 1 << 30;
  EXPECT_EQ(GetBytes(blobs(), large_.key).status().code(), Code::kDataLoss);
  EXPECT_EQ(blobs().Stats().value().corruptions, 1u);
}

}  // namespace
}  // namespace promptcache::testing
