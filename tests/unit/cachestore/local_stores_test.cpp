// The conformance tests over the stores of one process.
#include "cachestore/disk/open.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/store_conformance.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {
namespace {

class MemoryStores : public OpenStore {
 public:
  explicit MemoryStores(uint64_t max_blob_bytes) : blobs_({.max_blob_bytes = max_blob_bytes}) {}
  BlobStore& blobs() override { return blobs_; }
  MetaStore& meta() override { return meta_; }

 private:
  MemoryBlobStore blobs_;
  MemoryMetaStore meta_;
};

class DiskStores : public OpenStore {
 public:
  explicit DiskStores(uint64_t max_blob_bytes)
      : store_(OpenDiskStore({.directory = dir_.Sub("store"), .max_blob_bytes = max_blob_bytes})
                   .value()) {}
  BlobStore& blobs() override { return store_->blobs(); }
  MetaStore& meta() override { return store_->meta(); }

 private:
  TempDir dir_;
  std::unique_ptr<DiskStore> store_;
};

const StoreKind kKinds[] = {
    {.name = "Memory", .open = [](uint64_t max) { return std::make_unique<MemoryStores>(max); }},
    {.name = "Disk", .open = [](uint64_t max) { return std::make_unique<DiskStores>(max); }}};

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST(MemoryBlobStore, FullStoreRefusesPutsAndTakesThemAgainWhenThereIsRoom) {
  MemoryBlobStore store({.max_blob_bytes = 1000, .max_total_bytes = 1500});
  auto first = store.StartPut(UnitKey{}, 1000);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(store.StartPut(UnitKey{}, 501).status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(store.StartPut(UnitKey{}, 500).ok());
  first->reset();
  EXPECT_TRUE(store.StartPut(UnitKey{}, 1000).ok());
}

}  // namespace
}  // namespace promptcache::testing
