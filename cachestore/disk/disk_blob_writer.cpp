#include <string>

#include "cachestore/disk/disk_blob_store.h"
#include "cachestore/format/blob_info.h"
#include "cachestore/format/blob_verifier.h"

namespace promptcache::internal {
namespace {

rocksdb::Slice ToSlice(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A blob of one chunk is written together with its manifest in one logged batch: one sync instead
// of a table file of its own. Longer ones go around the log, which would double their bytes.
class DiskWriter : public BlobWriter {
 public:
  DiskWriter(std::shared_ptr<BlobIndex> index, const UnitKey& key, uint64_t announced,
             uint64_t generation)
      : index_(std::move(index)), key_(key), announced_(announced), generation_(generation) {}

  ~DiskWriter() override {
    if (wrote_chunks_ && !committed_) index_->Abandon(generation_);
  }

  Status Append(std::span<const uint8_t> bytes) override {
    if (bytes.size() > announced_ - received_) {
      return InvalidArgument("more than the announced " + std::to_string(announced_) + " bytes");
    }
    PC_RETURN_IF_ERROR(failure_);
    received_ += bytes.size();
    verifier_.Append(bytes);
    // Wrong bytes are refused at Commit; until then they need no room on the disk.
    if (!verifier_.good()) return {};
    failure_ = Store(bytes);
    return failure_;
  }

  Status Commit() override {
    // Its chunks may belong to a blob by now.
    if (committing_) return FailedPrecondition("a second commit");
    if (received_ != announced_) {
      return InvalidArgument("commit after " + std::to_string(received_) + " of " +
                             std::to_string(announced_) + " announced bytes");
    }
    PC_RETURN_IF_ERROR(failure_);
    const Result<BlobHeader> header = verifier_.Finish();
    if (!header.ok()) {
      index_->CountRefusedPut();
      return header.status();
    }
    committing_ = true;
    rocksdb::WriteBatch batch;
    PC_RETURN_IF_ERROR(StoreLast(batch));
    const Manifest manifest{
        .generation = generation_,
        .info = MakeBlobInfo(key_, *header, index_->options().clock->UnixMillis()),
        .chunk_hashes = hashes_};
    PC_RETURN_IF_ERROR(index_->Commit(manifest, batch));
    committed_ = true;
    return {};
  }

 private:
  bool is_single_chunk() const { return announced_ <= kChunkBytes; }

  // Writes whole chunks straight from `bytes` where it can.
  Status Store(std::span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      if (buffer_.empty() && bytes.size() >= kChunkBytes && !is_single_chunk()) {
        PC_RETURN_IF_ERROR(PutChunk(bytes.first(kChunkBytes)));
        bytes = bytes.subspan(kChunkBytes);
        continue;
      }
      const auto part = bytes.first(std::min(bytes.size(), kChunkBytes - buffer_.size()));
      buffer_.insert(buffer_.end(), part.begin(), part.end());
      bytes = bytes.subspan(part.size());
      if (buffer_.size() == kChunkBytes && !is_single_chunk()) {
        PC_RETURN_IF_ERROR(PutChunk(buffer_));
        buffer_.clear();
      }
    }
    return {};
  }

  Status PutChunk(std::span<const uint8_t> chunk) {
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    const std::string key = ChunkKey(generation_, static_cast<uint32_t>(hashes_.size()));
    hashes_.push_back(Xxh3_128(chunk));
    wrote_chunks_ = true;
    Database& database = index_->database();
    return FromRocks(database.db().Put(options, database.data(), key, ToSlice(chunk)),
                     "write unit " + key_.ToHex());
  }

  // After this all chunks are durable, or in the batch that also carries the manifest.
  Status StoreLast(rocksdb::WriteBatch& batch) {
    Database& database = index_->database();
    const std::string what = "write unit " + key_.ToHex();
    if (is_single_chunk()) {
      hashes_.push_back(Xxh3_128(buffer_));
      return FromRocks(batch.Put(database.data(), ChunkKey(generation_, 0), ToSlice(buffer_)),
                       what);
    }
    if (!buffer_.empty()) PC_RETURN_IF_ERROR(PutChunk(buffer_));
    return FromRocks(database.db().Flush(rocksdb::FlushOptions(), database.data()), what);
  }

  const std::shared_ptr<BlobIndex> index_;
  const UnitKey key_;
  const uint64_t announced_;
  const uint64_t generation_;
  uint64_t received_ = 0;
  std::vector<uint8_t> buffer_;  // the chunk being filled
  std::vector<Hash128> hashes_;
  BlobVerifier verifier_;
  Status failure_;
  bool wrote_chunks_ = false;
  bool committing_ = false;  // the last chunk was written
  bool committed_ = false;
};

}  // namespace

Result<std::unique_ptr<BlobWriter>> MakeDiskWriter(std::shared_ptr<BlobIndex> index,
                                                   const UnitKey& key, uint64_t bytes) {
  PC_ASSIGN_OR_RETURN(const uint64_t generation, index->generations().Next());
  return std::unique_ptr<BlobWriter>(
      std::make_unique<DiskWriter>(std::move(index), key, bytes, generation));
}

}  // namespace promptcache::internal
