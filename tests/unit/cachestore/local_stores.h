// The stores of one process, empty and ready for a test.
#pragma once

#include <memory>
#include <string>

#include "cachestore/disk/open.h"
#include "cachestore/memory/memory_store.h"
#include "tests/unit/cachestore/store_conformance.h"
#include "tests/unit/cachestore/temp_dir.h"

namespace promptcache::testing {

class MemoryStores : public OpenStore {
 public:
  explicit MemoryStores(uint64_t max_blob_bytes) : blobs_({.max_blob_bytes = max_blob_bytes}) {}
  BlobStore& blobs() override { return blobs_; }
  StoreAdmin& admin() override { return blobs_; }
  MetaStore& meta() override { return meta_; }

 private:
  MemoryBlobStore blobs_;
  MemoryMetaStore meta_;
};

// In a directory of its own, which goes with it.
class DiskStores : public OpenStore {
 public:
  explicit DiskStores(uint64_t max_blob_bytes)
      : store_(OpenDiskStore({.directory = dir_.Sub("store"), .max_blob_bytes = max_blob_bytes})
                   .value()) {}
  BlobStore& blobs() override { return store_->blobs(); }
  StoreAdmin& admin() override { return store_->admin(); }
  MetaStore& meta() override { return store_->meta(); }

 private:
  TempDir dir_;
  std::unique_ptr<DiskStore> store_;
};

enum class Medium { kMemory, kDisk };

inline std::unique_ptr<OpenStore> OpenLocal(Medium medium, uint64_t max_blob_bytes) {
  if (medium == Medium::kDisk) return std::make_unique<DiskStores>(max_blob_bytes);
  return std::make_unique<MemoryStores>(max_blob_bytes);
}

}  // namespace promptcache::testing
