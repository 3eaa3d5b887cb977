#include "cachestore/disk/disk_core.h"

#include <algorithm>
#include <filesystem>

#include "common/log.h"

namespace promptcache::internal {
namespace {

// What a table file takes besides the chunks, with its share of the records.
constexpr uint64_t kFileOverheadBytes = 8192;
constexpr uint64_t kMibOverheadBytes = 4096 + 256;  // a filler, and what the file's index has of it

}  // namespace

FilesByGeneration OwnFiles(const std::vector<DataFile>& files) {
  FilesByGeneration own;
  for (const DataFile& file : files) {
    if (file.first_generation == file.last_generation) own[file.first_generation] = file;
  }
  return own;
}

std::string FileDefect(const Manifest& manifest, const FilesByGeneration& files) {
  if (!manifest.own_file) return "";  // its chunks tell when they are read
  const auto file = files.find(manifest.generation);
  if (file == files.end()) return "the database has no file of it";
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(file->second.path, error);
  if (error) return file->second.path + ": " + error.message();
  if (bytes == file->second.bytes) return "";
  return file->second.path + " has " + std::to_string(bytes) + " bytes, not " +
         std::to_string(file->second.bytes);
}

DiskCore::DiskCore(std::shared_ptr<Database> database, const DiskStoreOptions& options)
    : database_(std::move(database)),
      options_(options),
      table_({.quota_bytes = options_.quota_bytes,
              .pin_quota_bytes = options_.pin_quota_bytes,
              .use_half_life_ms = options_.use_half_life_ms,
              .blob_overhead_bytes = kFileOverheadBytes,
              .mib_overhead_bytes = kMibOverheadBytes,
              .tenants = options_.tenants},
             *options_.clock, *this),
      commits_(database_, table_) {}

Result<DiskOpenReport> DiskCore::Load() {
  PC_ASSIGN_OR_RETURN(ScannedRecords records, ScanRecords(*database_));
  const std::vector<DataFile> files = database_->DataFiles();
  const FilesByGeneration own = OwnFiles(files);
  // Files of blobs whose manifests cannot be found would be dropped as nobody's.
  if (records.lost_walks > 0) {
    return DataLoss("records in " + database_->directory() + " cannot be found any more");
  }
  DiskOpenReport report{.damaged_records = records.damaged_records.size(),
                        .records_in_damage = records.in_damaged_blocks};
  if (report.damaged_records > 0 || report.records_in_damage > 0) {
    Log(LogLevel::kWarning, "store.records_damaged",
        {{"directory", database_->directory()},
         {"passed_over", report.damaged_records},
         {"in_damaged_blocks", report.records_in_damage}});
  }
  uint64_t damaged_files = records.damaged.size();  // at most: their manifests do not tell
  for (ScannedRecords::Found& found : records.blobs) {
    const UnitKey key = found.manifest.info.key;
    generations_->StartAfter(found.manifest.generation);
    if (const std::string defect = FileDefect(found.manifest, own); !defect.empty()) {
      Log(LogLevel::kError, "store.blob_damaged", {{"unit", key.ToHex()}, {"reason", defect}});
      records.damaged.push_back(key);
      damaged_files += own.count(found.manifest.generation);
      continue;
    }
    const auto file = own.find(found.manifest.generation);
    DiskBlob::Place place{.database = database_,
                          .generation = generations_->Hold(found.manifest.generation)};
    if (found.manifest.own_file) place.file = file->second.path;
    table_.Restore(std::make_shared<DiskBlob>(std::move(place), std::move(found.manifest)),
                   std::move(found.use));
  }
  for (const DataFile& file : files) generations_->StartAfter(file.last_generation);
  report.damaged_blobs = records.damaged.size();
  table_.CountCorruptions(records.damaged.size());
  if (!database_->CheckWritable().ok()) return report;
  PC_RETURN_IF_ERROR(database_->MarkVersion());
  PC_RETURN_IF_ERROR(DropRecords(records.damaged, records.uses_alone));
  PC_ASSIGN_OR_RETURN(const uint64_t orphans, DropOrphans());
  report.unfinished_puts = orphans - std::min(orphans, damaged_files);
  return report;
}

Status DiskCore::DropRecords(std::span<const UnitKey> manifests, std::span<const UnitKey> uses) {
  rocksdb::WriteBatch batch;
  for (const UnitKey& key : manifests) {
    PC_RETURN_IF_ERROR(FromRocks(batch.Delete(database_->meta(), ManifestKey(key)), "drop"));
    PC_RETURN_IF_ERROR(FromRocks(batch.Delete(database_->meta(), UseKey(key)), "drop"));
  }
  for (const UnitKey& key : uses) {
    PC_RETURN_IF_ERROR(FromRocks(batch.Delete(database_->meta(), UseKey(key)), "drop"));
  }
  if (batch.Count() == 0) return {};
  return database_->WriteSynced(batch, "drop records");
}

Status DiskCore::Drop(std::span<const StoredBlobPtr> blobs) {
  std::vector<UnitKey> keys;
  for (const StoredBlobPtr& blob : blobs) keys.push_back(blob->info.key);
  PC_RETURN_IF_ERROR(DropRecords(keys, {}));
  for (const StoredBlobPtr& blob : blobs) static_cast<const DiskBlob&>(*blob).dropped = true;
  return {};
}

Status DiskCore::SaveUses(std::span<const KeyedUse> uses) {
  rocksdb::WriteBatch batch;
  for (const KeyedUse& one : uses) {
    PC_RETURN_IF_ERROR(
        FromRocks(batch.Put(database_->meta(), UseKey(one.key), EncodeUse(one.use)), "save"));
  }
  return database_->WriteSynced(batch, "save uses");
}

Status DiskCore::Repair() {
  PC_RETURN_IF_ERROR(table_.DropFound([this] { return DropBadRecords(); }));
  return DropOrphans().status();
}

Result<std::vector<UnitKey>> DiskCore::DropBadRecords() {
  PC_ASSIGN_OR_RETURN(const ScannedRecords records, ScanRecords(*database_));
  const FilesByGeneration files = OwnFiles(database_->DataFiles());
  // What the table has of a blob whose manifest went bad behind it would be gone after a restart.
  std::vector<UnitKey> damaged = records.damaged;
  for (const ScannedRecords::Found& found : records.blobs) {
    if (!FileDefect(found.manifest, files).empty()) damaged.push_back(found.manifest.info.key);
  }
  PC_RETURN_IF_ERROR(DropRecords(records.damaged, records.uses_alone));
  return damaged;
}

std::vector<uint64_t> DiskCore::Orphans() const {
  std::vector<uint64_t> orphans;
  // Files of version 1 with several puts are left alone: what no manifest names in them goes when
  // they are rewritten.
  for (const auto& [generation, file] : OwnFiles(database_->DataFiles())) {
    if (!generations_->IsHeld(generation)) orphans.push_back(generation);
  }
  return orphans;
}

Result<uint64_t> DiskCore::DropOrphans() {
  const std::vector<uint64_t> orphans = Orphans();
  if (!orphans.empty()) PC_RETURN_IF_ERROR(database_->DropFiles(orphans));
  return orphans.size();
}

}  // namespace promptcache::internal
