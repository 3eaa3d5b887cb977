// The tests that every implementation of the store interfaces passes.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "cachestore/admin.h"

namespace promptcache::testing {

// An open store. Destroying it closes it.
class OpenStore {
 public:
  virtual ~OpenStore() = default;
  virtual BlobStore& blobs() = 0;
  virtual StoreAdmin& admin() = 0;
  virtual MetaStore& meta() = 0;
};

struct StoreKind {
  std::string name;
  // An empty store that takes blobs of at most `max_blob_bytes`.
  std::function<std::unique_ptr<OpenStore>(uint64_t max_blob_bytes)> open;
};

class StoreConformance : public ::testing::TestWithParam<StoreKind> {
 protected:
  static constexpr uint64_t kMaxBlobBytes = 64 << 20;

  void SetUp() override { store_ = GetParam().open(kMaxBlobBytes); }

  BlobStore& blobs() { return store_->blobs(); }
  StoreAdmin& admin() { return store_->admin(); }
  MetaStore& meta() { return store_->meta(); }

 private:
  std::unique_ptr<OpenStore> store_;
};

}  // namespace promptcache::testing
