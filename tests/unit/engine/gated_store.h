// A store whose readers and writers wait at gates, as a slow disk makes them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/unit/cachestore/forwarding_store.h"

namespace promptcache::testing {

// Thread safe. The inner store outlives it.
class GatedStore : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  // Reads of bytes from `offset` on wait until the gate opens.
  void CloseFrom(uint64_t offset) {
    std::lock_guard lock(mutex_);
    closed_from_ = offset;
  }
  void OpenUpTo(uint64_t offset) {
    CloseFrom(offset);
    changed_.notify_all();
  }
  void Open() { OpenUpTo(UINT64_MAX); }
  // Waits until a read does.
  void WaitForReader() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  uint64_t opened() const { return opened_; }  // readers, so far

  // Puts wait until they are let go on.
  void ClosePuts() {
    std::lock_guard lock(mutex_);
    puts_closed_ = true;
  }
  void OpenPuts() {
    std::lock_guard lock(mutex_);
    puts_closed_ = false;
    changed_.notify_all();
  }
  void WaitForPut() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return puts_waiting_ > 0; });
  }

  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) override {
    std::unique_lock lock(mutex_);
    ++puts_waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !puts_closed_; });
    --puts_waiting_;
    return ForwardingStore::StartPut(put);
  }

  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override {
    PC_ASSIGN_OR_RETURN(auto reader, inner().Open(key));
    ++opened_;
    return std::unique_ptr<BlobReader>(std::make_unique<Reader>(*this, std::move(reader)));
  }

 private:
  class Reader : public BlobReader {
   public:
    Reader(GatedStore& gate, std::unique_ptr<BlobReader> reader)
        : gate_(gate), reader_(std::move(reader)) {}
    uint64_t size() const override { return reader_->size(); }
    Status Read(uint64_t offset, std::span<uint8_t> out) override {
      gate_.Pass(offset);
      return reader_->Read(offset, out);
    }

   private:
    GatedStore& gate_;
    const std::unique_ptr<BlobReader> reader_;
  };

  void Pass(uint64_t offset) {
    std::unique_lock lock(mutex_);
    if (offset < closed_from_) return;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return offset < closed_from_; });
    --waiting_;
  }

  std::atomic<uint64_t> opened_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  uint64_t closed_from_ = UINT64_MAX;
  int waiting_ = 0;
  bool puts_closed_ = false;
  int puts_waiting_ = 0;
};

}  // namespace promptcache::testing
