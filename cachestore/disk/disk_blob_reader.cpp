#include <cstring>
#include <string>

#include "cachestore/disk/disk_blob_store.h"

namespace promptcache::internal {
namespace {

// A verified chunk. Keeps the database open.
struct Chunk {
  explicit Chunk(std::shared_ptr<Database> database_in) : database(std::move(database_in)) {}

  const std::shared_ptr<Database> database;
  rocksdb::PinnableSlice slice;

  std::span<const uint8_t> bytes() const {
    return {reinterpret_cast<const uint8_t*>(slice.data()), slice.size()};
  }
};

// Keeps readable what is dropped meanwhile, manifest and chunks alike.
class ScopedSnapshot {
 public:
  explicit ScopedSnapshot(std::shared_ptr<Database> database)
      : database_(std::move(database)), snapshot_(database_->db().GetSnapshot()) {}
  ~ScopedSnapshot() { database_->db().ReleaseSnapshot(snapshot_); }
  ScopedSnapshot(const ScopedSnapshot&) = delete;
  ScopedSnapshot& operator=(const ScopedSnapshot&) = delete;

  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  const std::shared_ptr<Database> database_;
  const rocksdb::Snapshot* const snapshot_;
};

class DiskReader : public BlobReader {
 public:
  DiskReader(std::shared_ptr<BlobIndex> index, Manifest manifest,
             std::unique_ptr<ScopedSnapshot> snapshot)
      : index_(std::move(index)), manifest_(std::move(manifest)), snapshot_(std::move(snapshot)) {}

  uint64_t size() const override { return manifest_.info.bytes; }

  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size() || out.size() > size() - offset) {
      return InvalidArgument("read past the end of a blob");
    }
    while (!out.empty()) {
      PC_ASSIGN_OR_RETURN(const PinnedBytes part, ReadPinned(offset, out.size()));
      std::memcpy(out.data(), part.bytes.data(), part.bytes.size());
      out = out.subspan(part.bytes.size());
      offset += part.bytes.size();
    }
    return {};
  }

  Result<PinnedBytes> ReadPinned(uint64_t offset, uint64_t limit) override {
    if (offset >= size()) return InvalidArgument("read past the end of a blob");
    const auto number = static_cast<uint32_t>(offset / kChunkBytes);
    PC_ASSIGN_OR_RETURN(const std::shared_ptr<const Chunk> chunk, Load(number));
    const auto rest = chunk->bytes().subspan(offset % kChunkBytes);
    return PinnedBytes{chunk, rest.first(std::min<uint64_t>(limit, rest.size()))};
  }

 private:
  uint64_t ChunkSize(uint32_t number) const {
    return std::min(kChunkBytes, size() - number * kChunkBytes);
  }

  // The chunk read last is kept, so that reading a blob in small pieces verifies each chunk once.
  Result<std::shared_ptr<const Chunk>> Load(uint32_t number) {
    if (last_ && last_number_ == number) return last_;
    auto chunk = std::make_shared<Chunk>(index_->shared_database());
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_->get();
    const Database& database = *chunk->database;
    const rocksdb::Status status = database.db().Get(
        options, database.data(), ChunkKey(manifest_.generation, number), &chunk->slice);
    if (status.IsNotFound()) return Damaged(number, "is missing");
    if (status.IsCorruption()) return Damaged(number, status.ToString());
    PC_RETURN_IF_ERROR(FromRocks(status, "read unit " + manifest_.info.key.ToHex()));
    if (chunk->bytes().size() != ChunkSize(number) ||
        Xxh3_128(chunk->bytes()) != manifest_.chunk_hashes[number]) {
      return Damaged(number, "fails its checksum");
    }
    last_ = chunk;
    last_number_ = number;
    return last_;
  }

  Status Damaged(uint32_t number, const std::string& how) {
    const UnitKey& key = manifest_.info.key;
    // When the drop fails too the blob stays and the next reader finds the same.
    const Status dropped = index_->Drop(key, BlobIndex::DropReason::kCorrupt, manifest_.generation);
    return DataLoss("unit " + key.ToHex() + ": chunk " + std::to_string(number) + " " + how +
                    (dropped.ok() ? "; the blob was dropped" : "; " + dropped.message()));
  }

  const std::shared_ptr<BlobIndex> index_;
  const Manifest manifest_;
  const std::unique_ptr<ScopedSnapshot> snapshot_;
  std::shared_ptr<const Chunk> last_;
  uint32_t last_number_ = 0;
};

}  // namespace

Result<std::unique_ptr<BlobReader>> MakeDiskReader(std::shared_ptr<BlobIndex> index,
                                                   const UnitKey& key) {
  auto snapshot = std::make_unique<ScopedSnapshot>(index->shared_database());
  PC_ASSIGN_OR_RETURN(Manifest manifest, index->Find(key, snapshot->get()));
  return std::unique_ptr<BlobReader>(
      std::make_unique<DiskReader>(std::move(index), std::move(manifest), std::move(snapshot)));
}

}  // namespace promptcache::internal
