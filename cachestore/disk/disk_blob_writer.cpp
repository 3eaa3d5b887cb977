#include <string>

#include "cachestore/disk/chunk_file.h"
#include "cachestore/disk/disk_core.h"
#include "cachestore/format/blob_info.h"
#include "cachestore/format/blob_verifier.h"

namespace promptcache::internal {
namespace {

class DiskWriter : public BlobWriter {
 public:
  DiskWriter(std::shared_ptr<DiskCore> core, const PutRequest& put,
             std::unique_ptr<ChunkFileWriter> file)
      : core_(std::move(core)), put_(put), file_(std::move(file)) {}

  ~DiskWriter() override {
    file_.reset();  // its room is free again before it is given away
    if (!ended_) core_->table().EndPut(put_.key, put_.bytes);
  }

  Status Append(std::span<const uint8_t> bytes) override {
    if (bytes.size() > put_.bytes - received_) {
      return InvalidArgument("more than the announced " + std::to_string(put_.bytes) + " bytes");
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
    if (committing_) return FailedPrecondition("a second commit");
    if (received_ != put_.bytes) {
      return InvalidArgument("commit after " + std::to_string(received_) + " of " +
                             std::to_string(put_.bytes) + " announced bytes");
    }
    PC_RETURN_IF_ERROR(failure_);
    const Result<BlobHeader> header = verifier_.Finish();
    if (!header.ok()) {
      core_->table().CountCorruptions(1);
      return header.status();
    }
    committing_ = true;
    if (!buffer_.empty()) PC_RETURN_IF_ERROR(file_->Append(buffer_));
    PC_RETURN_IF_ERROR(file_->Finish());
    PendingCommit commit{
        .incoming = file_->path(),
        .generation = file_->generation(),
        .manifest = {.generation = *file_->generation(),
                     .info = MakeBlobInfo(put_.key, *header, core_->options().clock->UnixMillis()),
                     .chunks = file_->chunks()},
        .imports = put_.imports};
    ended_ = true;
    return core_->commits().Commit(std::move(commit));
  }

 private:
  // Whole chunks straight from `bytes` where that is possible.
  Status Store(std::span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      if (buffer_.empty() && bytes.size() >= kChunkBytes) {
        PC_RETURN_IF_ERROR(file_->Append(bytes.first(kChunkBytes)));
        bytes = bytes.subspan(kChunkBytes);
        continue;
      }
      const auto part = bytes.first(std::min(bytes.size(), kChunkBytes - buffer_.size()));
      buffer_.insert(buffer_.end(), part.begin(), part.end());
      bytes = bytes.subspan(part.size());
      if (buffer_.size() == kChunkBytes) {
        PC_RETURN_IF_ERROR(file_->Append(buffer_));
        buffer_.clear();
      }
    }
    return {};
  }

  const std::shared_ptr<DiskCore> core_;
  const PutRequest put_;
  std::unique_ptr<ChunkFileWriter> file_;
  uint64_t received_ = 0;
  std::vector<uint8_t> buffer_;  // the chunk being filled
  BlobVerifier verifier_;
  Status failure_;
  bool committing_ = false;
  bool ended_ = false;  // the key may be another writer's
};

// kResourceExhausted when the disk would be left with less than it should have.
Status CheckRoom(const Database& database, uint64_t min_free_bytes, uint64_t reserved,
                 uint64_t freed) {
  const Result<uint64_t> free = database.FreeBytes();
  const uint64_t needed = reserved + min_free_bytes;
  if (!free.ok() || *free + freed >= needed) return {};
  return ResourceExhausted("the disk of " + database.directory() + " has " + std::to_string(*free) +
                           " bytes free, the blob needs " + std::to_string(needed - freed));
}

}  // namespace

Result<std::unique_ptr<BlobWriter>> MakeDiskWriter(std::shared_ptr<DiskCore> core,
                                                   const PutRequest& put) {
  PC_RETURN_IF_ERROR(core->database()->CheckWritable());
  PC_RETURN_IF_ERROR(core->table().StartPut(put, [&](uint64_t reserved, uint64_t freed) {
    return CheckRoom(*core->database(), core->options().min_free_bytes, reserved, freed);
  }));
  auto file = ChunkFileWriter::Create(core->database(), core->generations().Next());
  if (!file.ok()) {
    core->table().EndPut(put.key, put.bytes);
    return file.status();
  }
  return std::unique_ptr<BlobWriter>(
      std::make_unique<DiskWriter>(std::move(core), put, std::move(file).value()));
}

}  // namespace promptcache::internal
