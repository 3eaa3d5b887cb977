// Small helpers for tests of stores.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "tests/unit/cachestore/forwarding_store.h"

namespace promptcache::testing {

// Tries again while another writer has the key: over the wire it may take a moment until the store
// has heard of its end.
Result<std::unique_ptr<BlobWriter>> StartWhenFree(BlobStore& store, const PutRequest& put);
// Writes the bytes in pieces and commits them.
Status PutBytes(BlobStore& store, const UnitKey& key, std::span<const uint8_t> bytes,
                size_t piece = SIZE_MAX);
// In one piece, with StartWhenFree.
Status PutWhenFree(BlobStore& store, const UnitKey& key, std::span<const uint8_t> bytes);
Result<std::vector<uint8_t>> GetBytes(BlobStore& store, const UnitKey& key);

// A thread stops at a closed gate until a test opens it. Thread safe.
class Gate {
 public:
  void Close();
  void Open();
  void Pass();      // waits while closed
  bool Occupied();  // a thread stands at it

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool closed_ = false;
  int standing_ = 0;
};

// Another store whose operations a test can hold up or fail.
class GatedStore : public ForwardingStore {
 public:
  // `inner` outlives this, its readers and its writers.
  explicit GatedStore(BlobStore& inner)
      : ForwardingStore(inner), state_(std::make_shared<State>()) {}

  // Contains, Append and Commit pass these.
  Gate& contains() { return state_->contains; }
  Gate& append() { return state_->append; }
  Gate& commit() { return state_->commit; }
  // Every reader's read number `count` (from 0) and all later ones fail.
  void FailReadsAfter(int count, Status status);
  void FailCommits(Status status);
  // Readers and writers that are open.
  int open() const { return state_->open; }

  Result<std::unique_ptr<BlobWriter>> StartPut(const PutRequest& put) override;
  Result<std::unique_ptr<BlobReader>> Open(const UnitKey& key) override;
  Result<std::unique_ptr<BlobReader>> Inspect(const UnitKey& key) override;
  Result<std::vector<bool>> Contains(std::span<const UnitKey> keys) override;

 private:
  struct State {
    Gate contains;
    Gate append;
    Gate commit;
    int good_reads = -1;  // all
    Status read_failure;
    Status commit_failure;
    std::atomic<int> open = 0;
  };
  class Reader;
  class Writer;

  const std::shared_ptr<State> state_;
};

}  // namespace promptcache::testing
