// A store that hands every call on to another, for tests that change some of them.
#pragma once

#include "cachestore/store.h"

namespace promptcache::testing {

// As thread safe as the inner store, which outlives it.
class ForwardingStore : public BlobStore {
 public:
  explicit ForwardingStore(BlobStore& inner) : inner_(inner) {}

  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) override {
    return inner_.StartPut(put);
  }
  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override { return inner_.Open(key); }
  Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) override {
    return inner_.Inspect(key);
  }
  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override {
    return inner_.Contains(keys);
  }
  Result<BlobPage> List(const BlobPageRequest& request) override { return inner_.List(request); }
  Status RecordImports(std::span<const UnitImport> imports) override {
    return inner_.RecordImports(imports);
  }
  Status Remove(const UnitKey& key) override { return inner_.Remove(key); }
  Status ReportCorrupt(const UnitKey& key) override { return inner_.ReportCorrupt(key); }
  Result<StoreStats> Stats() override { return inner_.Stats(); }

 protected:
  BlobStore& inner() { return inner_; }

 private:
  BlobStore& inner_;
};

}  // namespace promptcache::testing
