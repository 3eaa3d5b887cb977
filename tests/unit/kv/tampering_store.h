// A store whose readers see one byte changed, as a disk that lies would give it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/unit/cachestore/forwarding_store.h"

namespace promptcache::testing {

// Thread safe, but for Flip and Heal, which are called while nobody reads. The inner store outlives
// it.
class TamperingStore : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  // From now on byte `offset` of every blob reads as `byte ^ mask`.
  void Flip(uint64_t offset, uint8_t mask) { flip_ = {offset, mask}; }
  void Heal() { flip_.reset(); }
  // Every call fails with this.
  void Fail(Status status) { failure_ = std::move(status); }
  uint64_t corruption_reports() const { return reports_; }

  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) override {
    PC_RETURN_IF_ERROR(failure_);
    return ForwardingStore::StartPut(put);
  }
  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override {
    PC_RETURN_IF_ERROR(failure_);
    PC_ASSIGN_OR_RETURN(auto reader, inner().Open(key));
    return std::unique_ptr<BlobReader>(std::make_unique<Reader>(std::move(reader), flip_));
  }
  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override {
    PC_RETURN_IF_ERROR(failure_);
    return ForwardingStore::Contains(keys);
  }
  Status ReportCorrupt(const UnitKey& key) override {
    ++reports_;
    return ForwardingStore::ReportCorrupt(key);
  }

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

  std::optional<Change> flip_;
  Status failure_;
  std::atomic<uint64_t> reports_{0};
};

}  // namespace promptcache::testing
