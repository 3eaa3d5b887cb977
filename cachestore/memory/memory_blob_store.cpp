#include <cstring>

#include "cachestore/format/blob_info.h"
#include "cachestore/format/blob_verifier.h"
#include "cachestore/limits.h"
#include "cachestore/memory/memory_store.h"

namespace promptcache {
namespace {

using Bytes = std::vector<uint8_t>;

}  // namespace

struct MemoryBlobStore::State {
  struct Blob {
    std::shared_ptr<const Bytes> bytes;
    BlobInfo info;
  };

  explicit State(MemoryStoreOptions store_options) : options(store_options) {}

  const MemoryStoreOptions options;

  std::mutex mutex;
  // Guarded by mutex.
  std::unordered_map<UnitKey, Blob> blobs;
  uint64_t used_bytes = 0;  // committed and announced by writers
  StoreStats stats;

  // REQUIRES: mutex is held.
  void Drop(const UnitKey& key) {
    const auto found = blobs.find(key);
    if (found == blobs.end()) return;
    used_bytes -= found->second.info.bytes;
    stats.bytes -= found->second.info.bytes;
    --stats.blobs;
    blobs.erase(found);
  }
};

class MemoryBlobStore::Writer : public BlobWriter {
 public:
  // The announced bytes are already counted in state->used_bytes.
  Writer(std::shared_ptr<State> state, const UnitKey& key, uint64_t announced)
      : state_(std::move(state)), key_(key), announced_(announced) {}

  ~Writer() override {
    if (!holds_bytes_) return;
    std::lock_guard lock(state_->mutex);
    state_->used_bytes -= announced_;
  }

  Status Append(std::span<const uint8_t> bytes) override {
    if (bytes.size() > announced_ - bytes_.size()) {
      return InvalidArgument("more than the announced " + std::to_string(announced_) + " bytes");
    }
    verifier_.Append(bytes);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status Commit() override {
    if (committed_) return FailedPrecondition("a second commit");
    if (bytes_.size() != announced_) {
      return InvalidArgument("commit after " + std::to_string(bytes_.size()) + " of " +
                             std::to_string(announced_) + " announced bytes");
    }
    const Result<BlobHeader> header = verifier_.Finish();
    std::lock_guard lock(state_->mutex);
    if (!header.ok()) {
      ++state_->stats.corruptions;
      return header.status();
    }
    committed_ = true;
    const uint64_t now = state_->options.clock->UnixMillis();
    if (state_->blobs.contains(key_)) return {};
    state_->blobs[key_] = {std::make_shared<const Bytes>(std::move(bytes_)),
                           MakeBlobInfo(key_, *header, now)};
    holds_bytes_ = false;
    ++state_->stats.puts;
    ++state_->stats.blobs;
    state_->stats.bytes += announced_;
    return {};
  }

 private:
  const std::shared_ptr<State> state_;
  const UnitKey key_;
  const uint64_t announced_;
  bool committed_ = false;
  bool holds_bytes_ = true;  // of used_bytes, to be given back
  Bytes bytes_;
  BlobVerifier verifier_;
};

class MemoryBlobStore::Reader : public BlobReader {
 public:
  explicit Reader(std::shared_ptr<const Bytes> bytes) : bytes_(std::move(bytes)) {}

  uint64_t size() const override { return bytes_->size(); }

  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size() || out.size() > size() - offset) {
      return InvalidArgument("read past the end of a blob");
    }
    if (!out.empty()) std::memcpy(out.data(), bytes_->data() + offset, out.size());
    return {};
  }

  Result<PinnedBytes> ReadPinned(uint64_t offset, uint64_t limit) override {
    if (offset >= size()) return InvalidArgument("read past the end of a blob");
    const auto rest = std::span<const uint8_t>(*bytes_).subspan(offset);
    return PinnedBytes{bytes_, rest.first(std::min<uint64_t>(limit, rest.size()))};
  }

 private:
  const std::shared_ptr<const Bytes> bytes_;
};

MemoryBlobStore::MemoryBlobStore(MemoryStoreOptions options)
    : state_(std::make_shared<State>(options)) {}
MemoryBlobStore::~MemoryBlobStore() = default;

Result<std::unique_ptr<BlobWriter>> MemoryBlobStore::StartPut(const UnitKey& key, uint64_t bytes) {
  PC_RETURN_IF_ERROR(CheckBlobBytes(bytes, state_->options.max_blob_bytes));
  std::lock_guard lock(state_->mutex);
  if (state_->blobs.contains(key)) return AlreadyExists("unit " + key.ToHex() + " is committed");
  if (bytes > state_->options.max_total_bytes - state_->used_bytes) {
    return ResourceExhausted("the memory store is full: " + std::to_string(state_->used_bytes) +
                             " of " + std::to_string(state_->options.max_total_bytes) + " bytes");
  }
  state_->used_bytes += bytes;
  return std::unique_ptr<BlobWriter>(std::make_unique<Writer>(state_, key, bytes));
}

Result<std::unique_ptr<BlobReader>> MemoryBlobStore::Open(const UnitKey& key) {
  std::lock_guard lock(state_->mutex);
  ++state_->stats.gets;
  const auto found = state_->blobs.find(key);
  if (found == state_->blobs.end()) return NotFound("unit " + key.ToHex() + " is not stored");
  ++state_->stats.hits;
  return std::unique_ptr<BlobReader>(std::make_unique<Reader>(found->second.bytes));
}

Result<std::vector<bool>> MemoryBlobStore::Contains(std::span<const UnitKey> keys) {
  std::lock_guard lock(state_->mutex);
  std::vector<bool> present;
  for (const UnitKey& key : keys) present.push_back(state_->blobs.contains(key));
  return present;
}

Result<std::vector<BlobInfo>> MemoryBlobStore::List() {
  std::lock_guard lock(state_->mutex);
  std::vector<BlobInfo> blobs;
  for (const auto& [key, blob] : state_->blobs) blobs.push_back(blob.info);
  std::sort(blobs.begin(), blobs.end(),
            [](const BlobInfo& a, const BlobInfo& b) { return a.key < b.key; });
  return blobs;
}

Status MemoryBlobStore::Remove(const UnitKey& key) {
  std::lock_guard lock(state_->mutex);
  state_->Drop(key);
  return {};
}

Status MemoryBlobStore::ReportCorrupt(const UnitKey& key) {
  std::lock_guard lock(state_->mutex);
  if (state_->blobs.contains(key)) ++state_->stats.corruptions;
  state_->Drop(key);
  return {};
}

Result<StoreStats> MemoryBlobStore::Stats() {
  std::lock_guard lock(state_->mutex);
  return state_->stats;
}

}  // namespace promptcache
