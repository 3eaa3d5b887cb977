// Directories that earlier formats wrote (tests/golden/store) are read, and go on as today's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cachestore/disk/disk_core.h"
#include "tests/unit/cachestore/sample_blob.h"
#include "tests/unit/cachestore/store_tools.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

class GoldenStore : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    for (uint32_t seed : {1u, 2u, 3u}) blobs_.push_back(MakeSampleBlob({.seed = seed}));
    blobs_.push_back(MakeLargeBlob(4, (1 << 20) + 4096));
    std::filesystem::copy(std::string(PROMPTCACHE_SOURCE_DIR) + "/tests/golden/store/" + GetParam(),
                          directory_, std::filesystem::copy_options::recursive);
  }

  void ExpectEverythingIsThere(DiskStore& store) const {
    EXPECT_EQ(store.report().quarantined_to, "");
    EXPECT_EQ(store.report().damaged_blobs, 0u);
    EXPECT_EQ(ListAll(store.blobs()).value().size(), blobs_.size());
    for (const SampleBlob& blob : blobs_) {
      EXPECT_TRUE(GetBytes(store.blobs(), blob.key).value() == blob.bytes);
    }
    const std::vector<BlobInfo> listed = ListAll(store.blobs()).value();
    for (const BlobInfo& info : listed) {
      EXPECT_EQ(info.committed_unix_ms, 1'700'000'001'000u);
    }
    const MetaEntry schema = *store.meta().Get("schema/golden/0123456789abcdef").value();
    EXPECT_EQ(schema.value, "{\"format\":3}");
    EXPECT_EQ(schema.revision, 2u);
    EXPECT_EQ(store.meta().Get("note").value()->value, "kept");
    EXPECT_TRUE(store.admin().Check(CheckMode::kReport).value().findings.empty());
  }

  TempDir dir_;
  const std::string directory_ = dir_.Sub("store");
  std::vector<SampleBlob> blobs_;
};

TEST_P(GoldenStore, IsReadWithoutBeingChanged) {
  const auto store = OpenDiskStoreReadOnly(directory_).value();
  ExpectEverythingIsThere(*store);
}

TEST_P(GoldenStore, IsTakenOverWhole) {
  for (int round = 0; round < 2; ++round) {
    const auto store = OpenDiskStore({.directory = directory_}).value();
    ExpectEverythingIsThere(*store);
  }
}

TEST_P(GoldenStore, ItsBlobsCanBeRemovedAndStoredAnew) {
  const auto store = OpenDiskStore({.directory = directory_}).value();
  for (const SampleBlob& blob : blobs_) {
    ASSERT_TRUE(store->blobs().Remove(blob.key).ok());
    EXPECT_EQ(store->blobs().Open(blob.key).status().code(), Code::kNotFound);
    ASSERT_TRUE(PutBytes(store->blobs(), blob.key, blob.bytes).ok());
    EXPECT_TRUE(GetBytes(store->blobs(), blob.key).value() == blob.bytes);
  }
  EXPECT_TRUE(store->admin().Check(CheckMode::kReport).value().findings.empty());
}

TEST_P(GoldenStore, WhatAReaderHoldsIsStillOnTheDisk) {
  const auto store = OpenDiskStore({.directory = directory_}).value();
  for (const bool read : {true, false}) {
    const UnitKey& key = blobs_[read ? 0 : 1].key;
    auto reader = store->blobs().Open(key).value();
    if (!read) reader.reset();
    ASSERT_TRUE(store->admin().SetPins({.keys = {key}}, PinChange::kUnpin).ok());
    const auto receipt = store->admin().RemoveReferences({.keys = {key}}, Erasure::kProve).value();
    EXPECT_EQ(receipt.removed.size(), 1u);
    EXPECT_EQ(receipt.still_on_disk, read ? std::vector<UnitKey>{key} : std::vector<UnitKey>());
  }
}

TEST(GoldenStoreV2, KeepsReferencesPinsAndJobs) {
  const TempDir dir;
  std::filesystem::copy(PROMPTCACHE_SOURCE_DIR "/tests/golden/store/v2", dir.Sub("store"));
  const auto store = OpenDiskStoreReadOnly(dir.Sub("store")).value();
  EXPECT_EQ(store->meta().Get("job/1").value()->value, "queued");
  const std::vector<BlobInfo> listed = ListAll(store->blobs()).value();
  for (const BlobInfo& info : listed) {
    EXPECT_EQ(info.use.pinned, info.key == MakeSampleBlob({.seed = 2}).key);
    const bool first = info.key == MakeSampleBlob({.seed = 1}).key;
    ASSERT_EQ(info.use.references.size(), first ? 1u : 0u);
    if (!first) continue;
    const Reference expected{
        .schema = "golden", .version = "0123456789abcdef", .module = "golden/one"};
    EXPECT_EQ(info.use.references[0].reference, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, GoldenStore, ::testing::Values("v1", "v2"),
                         [](const auto& format) { return std::string(format.param); });

}  // namespace
}  // namespace promptcache::testing
