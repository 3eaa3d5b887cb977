#include "tests/unit/cachestore/store_tools.h"

#include <algorithm>
#include <thread>

namespace promptcache::testing {

Status PutBytes(BlobStore& store, const UnitKey& key, std::span<const uint8_t> bytes,
                size_t piece) {
  PC_ASSIGN_OR_RETURN(const auto writer, store.StartPut({.key = key, .bytes = bytes.size()}));
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(piece, bytes.size()));
    PC_RETURN_IF_ERROR(writer->Append(part));
    bytes = bytes.subspan(part.size());
  }
  return writer->Commit();
}

Result<std::unique_ptr<BlobWriter>> StartWhenFree(BlobStore& store, const PutRequest& put) {
  auto writer = store.StartPut(put);
  while (writer.status().code() == Code::kBusy) {
    std::this_thread::yield();
    writer = store.StartPut(put);
  }
  return writer;
}

Status PutWhenFree(BlobStore& store, const UnitKey& key, std::span<const uint8_t> bytes) {
  PC_ASSIGN_OR_RETURN(const auto writer, StartWhenFree(store, {key, bytes.size()}));
  PC_RETURN_IF_ERROR(writer->Append(bytes));
  return writer->Commit();
}

Result<std::vector<uint8_t>> GetBytes(BlobStore& store, const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(const auto reader, store.Open(key));
  std::vector<uint8_t> bytes(reader->size());
  PC_RETURN_IF_ERROR(reader->Read(0, bytes));
  return bytes;
}

void Gate::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

void Gate::Open() {
  std::lock_guard lock(mutex_);
  closed_ = false;
  changed_.notify_all();
}

void Gate::Pass() {
  std::unique_lock lock(mutex_);
  ++standing_;
  changed_.wait(lock, [this] { return !closed_; });
  --standing_;
}

bool Gate::Occupied() {
  std::lock_guard lock(mutex_);
  return standing_ > 0;
}

class GatedStore::Reader : public BlobReader {
 public:
  Reader(std::unique_ptr<BlobReader> inner, std::shared_ptr<State> state)
      : inner_(std::move(inner)), state_(std::move(state)) {
    ++state_->open;
  }
  ~Reader() override { --state_->open; }

  uint64_t size() const override { return inner_->size(); }
  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (state_->good_reads >= 0 && reads_++ >= state_->good_reads) return state_->read_failure;
    return inner_->Read(offset, out);
  }

 private:
  const std::unique_ptr<BlobReader> inner_;
  const std::shared_ptr<State> state_;
  int reads_ = 0;
};

class GatedStore::Writer : public BlobWriter {
 public:
  Writer(std::unique_ptr<BlobWriter> inner, std::shared_ptr<State> state)
      : inner_(std::move(inner)), state_(std::move(state)) {
    ++state_->open;
  }
  ~Writer() override { --state_->open; }

  Status Append(std::span<const uint8_t> bytes) override {
    state_->append.Pass();
    return inner_->Append(bytes);
  }
  Status Commit() override {
    state_->commit.Pass();
    if (!state_->commit_failure.ok()) return state_->commit_failure;
    return inner_->Commit();
  }

 private:
  const std::unique_ptr<BlobWriter> inner_;
  const std::shared_ptr<State> state_;
};

void GatedStore::FailReadsAfter(int count, Status status) {
  state_->good_reads = count;
  state_->read_failure = std::move(status);
}

void GatedStore::FailCommits(Status status) { state_->commit_failure = std::move(status); }

Result<std::unique_ptr<BlobWriter>> GatedStore::StartPut(const PutRequest& put) {
  PC_ASSIGN_OR_RETURN(auto writer, inner().StartPut(put));
  return std::unique_ptr<BlobWriter>(std::make_unique<Writer>(std::move(writer), state_));
}

Result<std::unique_ptr<BlobReader>> GatedStore::Open(const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(auto reader, inner().Open(key));
  return std::unique_ptr<BlobReader>(std::make_unique<Reader>(std::move(reader), state_));
}

Result<std::unique_ptr<BlobReader>> GatedStore::Inspect(const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(auto reader, inner().Inspect(key));
  return std::unique_ptr<BlobReader>(std::make_unique<Reader>(std::move(reader), state_));
}

Result<std::vector<bool>> GatedStore::Contains(std::span<const UnitKey> keys) {
  state_->contains.Pass();
  return inner().Contains(keys);
}

}  // namespace promptcache::testing
