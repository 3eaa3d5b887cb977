#include <cstring>

#include "cachestore/catalog/blob_table.h"
#include "cachestore/format/blob_info.h"
#include "cachestore/format/blob_verifier.h"
#include "cachestore/limits.h"
#include "cachestore/memory/memory_store.h"

namespace promptcache {
namespace {

using Bytes = std::vector<uint8_t>;

struct MemoryBlob : StoredBlob {
  Bytes bytes;
};

// What is in memory alone has nothing to make durable.
class NoKeeper : public BlobKeeper {
 public:
  Status Drop(std::span<const StoredBlobPtr> /*blobs*/) override { return {}; }
  Status SaveUses(std::span<const KeyedUse> /*uses*/) override { return {}; }
};

}  // namespace

struct MemoryBlobStore::State {
  explicit State(const MemoryStoreOptions& store_options)
      : options(store_options),
        table({.quota_bytes = options.quota_bytes,
               .pin_quota_bytes = options.pin_quota_bytes,
               .tenants = options.tenants},
              *options.clock, keeper) {}

  const MemoryStoreOptions options;
  NoKeeper keeper;
  BlobTable table;
};

class MemoryBlobStore::Writer : public BlobWriter {
 public:
  Writer(std::shared_ptr<State> state, const PutRequest& put)
      : state_(std::move(state)), put_(put) {}
  ~Writer() override {
    if (!committed_) state_->table.EndPut(put_.key, put_.bytes);  // else the key may be another's
  }

  Status Append(std::span<const uint8_t> bytes) override {
    if (bytes.size() > put_.bytes - bytes_.size()) {
      return InvalidArgument("more than the announced " + std::to_string(put_.bytes) + " bytes");
    }
    verifier_.Append(bytes);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status Commit() override {
    if (committed_) return FailedPrecondition("a second commit");
    if (bytes_.size() != put_.bytes) {
      return InvalidArgument("commit after " + std::to_string(bytes_.size()) + " of " +
                             std::to_string(put_.bytes) + " announced bytes");
    }
    const Result<BlobHeader> header = verifier_.Finish();
    if (!header.ok()) {
      state_->table.CountCorruptions(1);
      return header.status();
    }
    committed_ = true;
    auto blob = std::make_shared<MemoryBlob>();
    blob->info = MakeBlobInfo(put_.key, *header, state_->options.clock->UnixMillis());
    blob->bytes = std::move(bytes_);
    const NewBlob added{std::move(blob), put_.imports};
    return state_->table.Commit({&added, 1}, [](std::span<const KeyedUse>) { return Status(); });
  }

 private:
  const std::shared_ptr<State> state_;
  const PutRequest put_;
  bool committed_ = false;
  Bytes bytes_;
  BlobVerifier verifier_;
};

class MemoryBlobStore::Reader : public BlobReader {
 public:
  explicit Reader(StoredBlobPtr blob)
      : owner_(std::move(blob)), bytes_(static_cast<const MemoryBlob&>(*owner_).bytes) {}

  uint64_t size() const override { return bytes_.size(); }

  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size() || out.size() > size() - offset) {
      return InvalidArgument("read past the end of a blob");
    }
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }

  Result<PinnedBytes> ReadPinned(uint64_t offset, uint64_t limit) override {
    if (offset >= size()) return InvalidArgument("read past the end of a blob");
    const auto rest = std::span<const uint8_t>(bytes_).subspan(offset);
    return PinnedBytes{owner_, rest.first(std::min<uint64_t>(limit, rest.size()))};
  }

 private:
  const StoredBlobPtr owner_;
  const Bytes& bytes_;
};

MemoryBlobStore::MemoryBlobStore(MemoryStoreOptions options)
    : state_(std::make_shared<State>(options)) {}
MemoryBlobStore::~MemoryBlobStore() = default;

Result<std::unique_ptr<BlobWriter>> MemoryBlobStore::StartPut(const PutRequest& put) {
  PC_RETURN_IF_ERROR(CheckBlobBytes(put.bytes, state_->options.max_blob_bytes));
  PC_RETURN_IF_ERROR(state_->table.StartPut(put, [](uint64_t, uint64_t) { return Status(); }));
  return std::unique_ptr<BlobWriter>(std::make_unique<Writer>(state_, put));
}

Result<std::unique_ptr<BlobReader>> MemoryBlobStore::Open(const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(StoredBlobPtr blob, state_->table.Find(key, BlobTable::Purpose::kUse));
  return std::unique_ptr<BlobReader>(std::make_unique<Reader>(std::move(blob)));
}

Result<std::unique_ptr<BlobReader>> MemoryBlobStore::Inspect(const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(StoredBlobPtr blob, state_->table.Find(key, BlobTable::Purpose::kInspect));
  return std::unique_ptr<BlobReader>(std::make_unique<Reader>(std::move(blob)));
}

Result<std::vector<bool>> MemoryBlobStore::Contains(std::span<const UnitKey> keys) {
  return state_->table.Contains(keys);
}

Result<BlobPage> MemoryBlobStore::List(const BlobPageRequest& request) {
  return state_->table.List(request);
}

Status MemoryBlobStore::RecordImports(std::span<const UnitImport> imports) {
  return state_->table.RecordImports(imports);
}

Status MemoryBlobStore::Remove(const UnitKey& key) {
  return state_->table.Drop(key, BlobTable::DropReason::kRemoved);
}

Status MemoryBlobStore::ReportCorrupt(const UnitKey& key) {
  return state_->table.Drop(key, BlobTable::DropReason::kCorrupt);
}

Result<StoreStats> MemoryBlobStore::Stats() { return state_->table.stats(); }

Result<RemovalReceipt> MemoryBlobStore::RemoveReferences(const BlobSelector& selector,
                                                         Erasure /*erasure*/) {
  return state_->table.RemoveReferences(selector);
}

Result<PinReceipt> MemoryBlobStore::SetPins(const BlobSelector& selector, PinChange change) {
  return state_->table.SetPins(selector, change);
}

Result<CheckReport> MemoryBlobStore::Check(CheckMode /*mode*/) {
  return CheckReport{.blobs = state_->table.stats().blobs,
                     .references = state_->table.references()};
}

Result<GarbageReport> MemoryBlobStore::CollectGarbage() { return state_->table.CollectGarbage(); }

}  // namespace promptcache
