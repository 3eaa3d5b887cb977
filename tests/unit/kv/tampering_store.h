// A store whose readers see one byte changed, as a disk that lies would give it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cachestore/store.h"

namespace promptcache::testing {

// Thread safe, but for Flip and Heal, which are called while nobody reads. `store` outlives it.
class TamperingStore : public BlobStore {
 public:
  explicit TamperingStore(BlobStore& store) : store_(store) {}

  // From now on byte `offset` of every blob reads as `byte ^ mask`.
  void Flip(uint64_t offset, uint8_t mask) { flip_ = {offset, mask}; }
  void Heal() { flip_.reset(); }
  // Every call fails with this.
  void Fail(Status status) { failure_ = std::move(status); }
  uint64_t corruption_reports() const { return reports_; }

  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) override {
    PC_RETURN_IF_ERROR(failure_);
    return store_.StartPut(put);
  }
  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override {
    PC_RETURN_IF_ERROR(failure_);
    PC_ASSIGN_OR_RETURN(auto reader, store_.Open(key));
    return std::unique_ptr<BlobReader>(std::make_unique<Reader>(std::move(reader), flip_));
  }
  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override {
    PC_RETURN_IF_ERROR(failure_);
    return store_.Contains(keys);
  }
  Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) override {
    return store_.Inspect(key);
  }
  Result<BlobPage> List(const BlobPageRequest& request) override { return store_.List(request); }
  Status RecordImports(std::span<const UnitImport> imports) override {
    return store_.RecordImports(imports);
  }
  Status Remove(const UnitKey& key) override { return store_.Remove(key); }
  Status ReportCorrupt(const UnitKey& key) override {
    ++reports_;
    return store_.ReportCorrupt(key);
  }
  Result<StoreStats> Stats() override { return store_.Stats(); }

 private:
  struct Change {
    uint64_t offset = 0;
    uint8_t mask = 0;
  };
  class Reader : public BlobReader {
   public:
    Reader(std::unique_ptr<BlobReader> reader, std::optional<Change> flip)
        : reader_(std::move(reader)), flip_(flip) {}
    uint64_t size() const override { return reader_->size(); }
    Status Read(uint64_t offset, std::span<uint8_t> out) override {
      PC_RETURN_IF_ERROR(reader_->Read(offset, out));
      if (flip_ && flip_->offset >= offset && flip_->offset - offset < out.size()) {
        out[flip_->offset - offset] ^= flip_->mask;
      }
      return {};
    }

   private:
    const std::unique_ptr<BlobReader> reader_;
    const std::optional<Change> flip_;
  };

  BlobStore& store_;
  std::optional<Change> flip_;
  Status failure_;
  std::atomic<uint64_t> reports_{0};
};

}  // namespace promptcache::testing
