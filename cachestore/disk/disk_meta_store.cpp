#include "cachestore/disk/disk_meta_store.h"

#include <algorithm>
#include <functional>

#include "cachestore/disk/record_walk.h"
#include "cachestore/limits.h"

namespace promptcache::internal {
namespace {

constexpr size_t kRevisionBytes = 8;
constexpr std::string_view kJobPrefix = "job/";

}  // namespace

Result<MetaEntry> DecodeRecord(std::string_view key, std::string_view bytes) {
  if (bytes.size() < kRevisionBytes) return DataLoss("record cut short");
  return MetaEntry{.key = std::string(key),
                   .value = std::string(bytes.substr(kRevisionBytes)),
                   .revision = DecodeNumber(bytes)};
}

std::mutex& DiskMetaStore::MutexOf(const std::string& key) {
  return mutexes_[std::hash<std::string>()(key) % mutexes_.size()];
}

rocksdb::ColumnFamilyHandle* DiskMetaStore::FamilyOf(const std::string& key) const {
  return key.starts_with(kJobPrefix) ? database_->journal() : database_->meta();
}

Result<std::optional<MetaEntry>> DiskMetaStore::Get(const std::string& key) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  rocksdb::ColumnFamilyHandle* const family = FamilyOf(key);
  if (family == nullptr) return std::optional<MetaEntry>();
  std::string bytes;
  const rocksdb::Status status = database_->db().Get({}, family, RecordKey(key), &bytes);
  if (status.IsNotFound()) return std::optional<MetaEntry>();
  Result<MetaEntry> entry = FromRocks(status, "read");
  if (status.ok()) entry = DecodeRecord(key, bytes);
  if (entry.ok()) return std::optional<MetaEntry>(std::move(entry).value());
  const std::string what = "meta key '" + key + "': " + entry.status().message();
  if (entry.status().code() != Code::kDataLoss) return Status(entry.status().code(), what);
  return DataLoss(what + "; write or remove it as if it were absent, at revision 0");
}

Status DiskMetaStore::CheckRevision(const std::string& key, uint64_t expected) {
  const Result<std::optional<MetaEntry>> entry = Get(key);
  if (entry.status().code() == Code::kDataLoss && expected == 0) return {};
  PC_RETURN_IF_ERROR(entry.status());
  const uint64_t revision = *entry ? (*entry)->revision : 0;
  return revision == expected ? Status() : WrongRevision(key, expected, revision);
}

Result<uint64_t> DiskMetaStore::CompareAndSet(const std::string& key, uint64_t expected,
                                              const std::string& value) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, value.size()));
  std::lock_guard lock(MutexOf(key));
  PC_RETURN_IF_ERROR(CheckRevision(key, expected));
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(
      batch.Put(FamilyOf(key), RecordKey(key), EncodeNumber(expected + 1) + value), "write"));
  PC_RETURN_IF_ERROR(database_->WriteSynced(batch, "write meta key '" + key + "'"));
  return expected + 1;
}

Status DiskMetaStore::CompareAndRemove(const std::string& key, uint64_t expected) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  std::lock_guard lock(MutexOf(key));
  PC_RETURN_IF_ERROR(CheckRevision(key, expected));
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(batch.Delete(FamilyOf(key), RecordKey(key)), "remove"));
  return database_->WriteSynced(batch, "remove meta key '" + key + "'");
}

Result<std::vector<MetaEntry>> DiskMetaStore::List(const std::string& prefix,
                                                   uint64_t limit_bytes) {
  MetaListLimit limit(prefix, limit_bytes);
  std::vector<MetaEntry> entries;
  if (!prefix.starts_with(kJobPrefix)) {
    PC_RETURN_IF_ERROR(AddFrom(database_->meta(), prefix, limit, entries));
  }
  const bool with_jobs = prefix.starts_with(kJobPrefix) || kJobPrefix.starts_with(prefix);
  if (with_jobs && database_->journal() != nullptr) {
    PC_RETURN_IF_ERROR(AddFrom(database_->journal(), prefix, limit, entries));
    std::sort(entries.begin(), entries.end(),
              [](const MetaEntry& a, const MetaEntry& b) { return a.key < b.key; });
  }
  return entries;
}

Status DiskMetaStore::AddFrom(rocksdb::ColumnFamilyHandle* family, const std::string& prefix,
                              MetaListLimit& limit, std::vector<MetaEntry>& entries) const {
  Status fits;
  const auto add = [&](std::string_view key, std::string_view value, RecordTrust trust) {
    if (trust == RecordTrust::kDamagedBlock) return true;
    Result<MetaEntry> entry = DecodeRecord(key, value);
    if (!entry.ok()) return true;
    fits = limit.Take(entry->key, entry->value);
    if (fits.ok()) entries.push_back(std::move(entry).value());
    return fits.ok();
  };
  PC_RETURN_IF_ERROR(WalkRecords(*database_, family, RecordKey(prefix), add));
  return fits;
}

}  // namespace promptcache::internal
