#include <cstring>
#include <string>

#include "cachestore/disk/chunk_file.h"
#include "cachestore/disk/disk_core.h"

namespace promptcache::internal {
namespace {

class DiskReader : public BlobReader {
 public:
  DiskReader(std::shared_ptr<DiskCore> core, StoredBlobPtr blob, OnDamage on_damage)
      : core_(std::move(core)),
        owner_(std::move(blob)),
        blob_(static_cast<const DiskBlob&>(*owner_)),
        on_damage_(on_damage),
        file_(blob_.place.file) {}

  uint64_t size() const override { return blob_.info.bytes; }

  Status Read(uint64_t offset, std::span<uint8_t> out) override {
    if (offset > size() || out.size() > size() - offset) {
      return InvalidArgument("read past the end of a blob");
    }
    while (!out.empty()) {
      const auto number = static_cast<uint32_t>(offset / kChunkBytes);
      const bool whole = offset % kChunkBytes == 0 && out.size() >= ChunkSize(number);
      uint64_t count = ChunkSize(number);
      if (whole && number != last_number_) {
        PC_RETURN_IF_ERROR(ReadChunk(number, out.first(count)));
      } else {
        PC_ASSIGN_OR_RETURN(const PinnedBytes part, ReadPinned(offset, out.size()));
        count = part.bytes.size();
        std::memcpy(out.data(), part.bytes.data(), count);
      }
      out = out.subspan(count);
      offset += count;
    }
    return {};
  }

  Result<PinnedBytes> ReadPinned(uint64_t offset, uint64_t limit) override {
    if (offset >= size()) return InvalidArgument("read past the end of a blob");
    const auto number = static_cast<uint32_t>(offset / kChunkBytes);
    PC_RETURN_IF_ERROR(Load(number));
    const auto rest =
        std::span<const uint8_t>(last_.get(), ChunkSize(number)).subspan(offset % kChunkBytes);
    return PinnedBytes{last_, rest.first(std::min<uint64_t>(limit, rest.size()))};
  }

  Result<UncheckedBytes> ReadUnchecked(uint64_t offset) override {
    static_assert(kChunkBytes <= kMaxUncheckedBytes);
    if (offset >= size()) return InvalidArgument("read past the end of a blob");
    const auto number = static_cast<uint32_t>(offset / kChunkBytes);
    const ChunkRecord& chunk = blob_.manifest.chunks[number];
    auto mapped = file_.Map(chunk, ChunkSize(number));
    if (!mapped) return BlobReader::ReadUnchecked(offset);
    const std::span bytes(static_cast<const uint8_t*>(mapped.get()), ChunkSize(number));
    return UncheckedBytes{std::move(mapped), bytes, number * kChunkBytes, chunk.hash};
  }

 private:
  static constexpr uint32_t kNoChunk = UINT32_MAX;

  uint64_t ChunkSize(uint32_t number) const {
    return std::min(kChunkBytes, size() - number * kChunkBytes);
  }

  // The chunk read last is kept, so that reading a blob in small pieces verifies each chunk once.
  Status Load(uint32_t number) {
    if (last_number_ == number) return {};
    last_number_ = kNoChunk;
    // Somebody may still read the one before.
    if (!last_ || last_.use_count() > 1) {
      last_ = std::shared_ptr<uint8_t[]>(new uint8_t[std::min(kChunkBytes, size())]);
    }
    PC_RETURN_IF_ERROR(ReadChunk(number, {last_.get(), ChunkSize(number)}));
    last_number_ = number;
    return {};
  }

  // Fills `out` with the chunk, verified.
  Status ReadChunk(uint32_t number, std::span<uint8_t> out) {
    const ChunkRecord& chunk = blob_.manifest.chunks[number];
    if (file_.Read(chunk, out)) return {};
    const Database& database = *blob_.place.database;
    rocksdb::PinnableSlice slice;
    const rocksdb::Status status =
        database.db().Get({}, database.data(), ChunkKey(blob_.manifest.generation, number), &slice);
    if (status.IsNotFound() || status.IsPathNotFound()) return Damaged(number, "is missing");
    if (status.IsCorruption()) return Damaged(number, status.ToString());
    // The system refuses, as when too many files are open: that says nothing of the blob.
    PC_RETURN_IF_ERROR(FromRocks(status, "read unit " + blob_.info.key.ToHex()));
    if (slice.size() != out.size()) return Damaged(number, "has another length");
    std::memcpy(out.data(), slice.data(), slice.size());
    if (Xxh3_128(out) != chunk.hash) return Damaged(number, "fails its checksum");
    return {};
  }

  Status Damaged(uint32_t number, const std::string& how) {
    const UnitKey& key = blob_.info.key;
    const std::string what =
        "unit " + key.ToHex() + ": chunk " + std::to_string(number) + " " + how;
    if (on_damage_ == OnDamage::kTell) return DataLoss(what);
    // When the drop fails the blob stays and the next reader finds the same.
    const Status dropped = core_->table().Drop(key, BlobTable::DropReason::kCorrupt, owner_.get());
    return DataLoss(what + (dropped.ok() ? "; the blob was dropped" : "; " + dropped.message()));
  }

  const std::shared_ptr<DiskCore> core_;
  const StoredBlobPtr owner_;
  const DiskBlob& blob_;
  const OnDamage on_damage_;
  ChunkFileReader file_;
  std::shared_ptr<uint8_t[]> last_;
  uint32_t last_number_ = kNoChunk;
};

}  // namespace

std::unique_ptr<BlobReader> MakeDiskReader(std::shared_ptr<DiskCore> core, StoredBlobPtr blob,
                                           OnDamage on_damage) {
  return std::make_unique<DiskReader>(std::move(core), std::move(blob), on_damage);
}

}  // namespace promptcache::internal
