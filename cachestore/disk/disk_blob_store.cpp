#include "cachestore/disk/disk_blob_store.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "cachestore/limits.h"
#include "common/log.h"

namespace promptcache::internal {

BlobIndex::BlobIndex(std::shared_ptr<Database> database, DiskStoreOptions options)
    : database_(std::move(database)), options_(std::move(options)), generations_(database_) {}

Result<DiskOpenReport> BlobIndex::Load(OpenMode mode) {
  PC_ASSIGN_OR_RETURN(const std::vector<Manifest> manifests, All());
  Count(manifests);
  std::vector<uint64_t> live;
  for (const Manifest& manifest : manifests) live.push_back(manifest.generation);
  DiskOpenReport report;
  report.bad_manifests = stats().corruptions;
  if (mode == OpenMode::kReadOnly) return report;
  std::sort(live.begin(), live.end());
  PC_ASSIGN_OR_RETURN(report.unfinished_puts, generations_.Sweep(live));
  return report;
}

Result<Manifest> BlobIndex::Read(const UnitKey& key, const rocksdb::Snapshot* snapshot) const {
  const Result<std::string> bytes = database_->GetMeta(ManifestKey(key), snapshot);
  if (bytes.status().code() == Code::kNotFound) {
    return NotFound("unit " + key.ToHex() + " is not stored");
  }
  PC_RETURN_IF_ERROR(bytes.status());
  return DecodeManifest(key, *bytes);
}

Result<Manifest> BlobIndex::Find(const UnitKey& key, const rocksdb::Snapshot* snapshot) {
  Result<Manifest> manifest = Read(key, snapshot);
  if (manifest.status().code() == Code::kDataLoss) PC_RETURN_IF_ERROR(DropDamaged(key));
  return manifest;
}

Result<BlobIndex::Scanned> BlobIndex::Scan() const {
  Scanned scanned;
  const std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator({}, database_->meta()));
  for (it->Seek(std::string(1, kManifestTag)); it->Valid(); it->Next()) {
    const std::string_view key_bytes = it->key().ToStringView();
    if (key_bytes.empty() || key_bytes[0] != kManifestTag) break;
    UnitKey key;
    if (key_bytes.size() != 1 + key.bytes.size()) continue;
    std::memcpy(key.bytes.data(), key_bytes.data() + 1, key.bytes.size());
    Result<Manifest> manifest = DecodeManifest(key, it->value().ToStringView());
    if (manifest.ok()) {
      scanned.manifests.push_back(std::move(manifest).value());
    } else {
      scanned.damaged.push_back(key);
    }
  }
  PC_RETURN_IF_ERROR(FromRocks(it->status(), "list the blobs of " + database_->directory()));
  return scanned;
}

Result<std::vector<Manifest>> BlobIndex::All() {
  PC_ASSIGN_OR_RETURN(Scanned scanned, Scan());
  for (const UnitKey& key : scanned.damaged) PC_RETURN_IF_ERROR(DropDamaged(key));
  return std::move(scanned.manifests);
}

void BlobIndex::Count(const std::vector<Manifest>& manifests) {
  std::lock_guard lock(stats_mutex_);
  stats_.blobs = manifests.size();
  stats_.bytes = 0;
  for (const Manifest& manifest : manifests) stats_.bytes += manifest.info.bytes;
}

Status BlobIndex::DropDamaged(const UnitKey& key) {
  std::lock_guard lock(mutex_);
  if (Read(key, nullptr).status().code() != Code::kDataLoss) return {};
  return DropDamagedLocked(key);
}

Status BlobIndex::DropDamagedLocked(const UnitKey& key) {
  Log(LogLevel::kError, "store.manifest_damaged", {{"unit", key.ToHex()}});
  {
    std::lock_guard lock(stats_mutex_);
    ++stats_.corruptions;
  }
  if (!database_->CheckWritable().ok()) return {};
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(batch.Delete(database_->meta(), ManifestKey(key)), "drop manifest"));
  // Which chunks were its own is not known any more: the next opening looks for them.
  PC_RETURN_IF_ERROR(generations_.ForgetSwept(batch));
  PC_RETURN_IF_ERROR(database_->WriteSynced(batch, "drop manifest"));
  // Nor is its size.
  PC_ASSIGN_OR_RETURN(const Scanned left, Scan());
  Count(left.manifests);
  return {};
}

Status BlobIndex::Commit(const Manifest& manifest, rocksdb::WriteBatch& batch) {
  std::lock_guard lock(mutex_);
  const UnitKey& key = manifest.info.key;
  const Code existing = Read(key, nullptr).status().code();
  if (existing == Code::kOk) {
    Abandon(manifest.generation);
    return {};
  }
  if (existing == Code::kDataLoss) PC_RETURN_IF_ERROR(DropDamagedLocked(key));
  PC_RETURN_IF_ERROR(FromRocks(
      batch.Put(database_->meta(), ManifestKey(key), EncodeManifest(manifest)), "write manifest"));
  PC_RETURN_IF_ERROR(database_->WriteSynced(batch, "commit unit " + key.ToHex()));
  std::lock_guard stats_lock(stats_mutex_);
  ++stats_.puts;
  ++stats_.blobs;
  stats_.bytes += manifest.info.bytes;
  return {};
}

void BlobIndex::Abandon(uint64_t generation) {
  rocksdb::WriteBatch batch;
  Status status = database_->DropGenerations(batch, generation, generation + 1);
  rocksdb::WriteOptions options;
  options.disableWAL = true;  // as the chunks themselves; after a crash the sweep finds them
  if (status.ok()) status = FromRocks(database_->db().Write(options, &batch), "drop chunks");
  if (!status.ok()) Log(LogLevel::kWarning, "store.abandon_failed", {{"error", status.ToString()}});
}

Status BlobIndex::Drop(const UnitKey& key, DropReason reason, uint64_t generation) {
  PC_RETURN_IF_ERROR(database_->CheckWritable());
  std::lock_guard lock(mutex_);
  const Result<Manifest> manifest = Read(key, nullptr);
  if (manifest.status().code() == Code::kNotFound) return {};
  if (manifest.status().code() == Code::kDataLoss) return DropDamagedLocked(key);
  PC_RETURN_IF_ERROR(manifest.status());
  if (generation != 0 && manifest->generation != generation) return {};
  if (reason == DropReason::kCorrupt) {
    Log(LogLevel::kError, "store.blob_damaged", {{"unit", key.ToHex()}});
    std::lock_guard stats_lock(stats_mutex_);
    ++stats_.corruptions;
  }
  return DropLocked(*manifest);
}

Status BlobIndex::DropLocked(const Manifest& manifest) {
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(
      FromRocks(batch.Delete(database_->meta(), ManifestKey(manifest.info.key)), "drop manifest"));
  // Logged with the manifest, so that a crash cannot leave chunks that the sweep does not look at.
  PC_RETURN_IF_ERROR(
      database_->DropGenerations(batch, manifest.generation, manifest.generation + 1));
  PC_RETURN_IF_ERROR(database_->WriteSynced(batch, "remove unit " + manifest.info.key.ToHex()));
  std::lock_guard stats_lock(stats_mutex_);
  --stats_.blobs;
  stats_.bytes -= manifest.info.bytes;
  return {};
}

void BlobIndex::CountRefusedPut() {
  std::lock_guard lock(stats_mutex_);
  ++stats_.corruptions;
}

void BlobIndex::CountGet() {
  std::lock_guard lock(stats_mutex_);
  ++stats_.gets;
}

void BlobIndex::CountHit() {
  std::lock_guard lock(stats_mutex_);
  ++stats_.hits;
}

StoreStats BlobIndex::stats() const {
  std::lock_guard lock(stats_mutex_);
  return stats_;
}

Result<std::unique_ptr<BlobWriter>> DiskBlobStore::StartPut(const UnitKey& key, uint64_t bytes) {
  Database& database = index_->database();
  PC_RETURN_IF_ERROR(database.CheckWritable());
  PC_RETURN_IF_ERROR(CheckBlobBytes(bytes, index_->options().max_blob_bytes));
  if (index_->Find(key).ok()) return AlreadyExists("unit " + key.ToHex() + " is committed");
  std::error_code error;
  const auto space = std::filesystem::space(database.directory(), error);
  const uint64_t needed = bytes + index_->options().min_free_bytes;
  if (!error && space.available < needed) {
    return ResourceExhausted("the disk of " + database.directory() + " has " +
                             std::to_string(space.available) + " bytes free, the blob needs " +
                             std::to_string(needed));
  }
  return MakeDiskWriter(index_, key, bytes);
}

Result<std::unique_ptr<BlobReader>> DiskBlobStore::Open(const UnitKey& key) {
  index_->CountGet();
  PC_ASSIGN_OR_RETURN(std::unique_ptr<BlobReader> reader, MakeDiskReader(index_, key));
  index_->CountHit();
  return reader;
}

Result<std::vector<bool>> DiskBlobStore::Contains(std::span<const UnitKey> keys) {
  std::vector<bool> present;
  for (const UnitKey& key : keys) {
    const Status status = index_->Find(key).status();
    if (!status.ok() && status.code() != Code::kNotFound && status.code() != Code::kDataLoss) {
      return status;
    }
    present.push_back(status.ok());
  }
  return present;
}

Result<std::vector<BlobInfo>> DiskBlobStore::List() {
  PC_ASSIGN_OR_RETURN(std::vector<Manifest> manifests, index_->All());
  std::vector<BlobInfo> blobs;
  for (Manifest& manifest : manifests) blobs.push_back(std::move(manifest.info));
  return blobs;
}

Status DiskBlobStore::Remove(const UnitKey& key) {
  return index_->Drop(key, BlobIndex::DropReason::kRemoved);
}

Status DiskBlobStore::ReportCorrupt(const UnitKey& key) {
  return index_->Drop(key, BlobIndex::DropReason::kCorrupt);
}

Result<StoreStats> DiskBlobStore::Stats() { return index_->stats(); }

}  // namespace promptcache::internal
