#include "cachestore/disk/disk_meta_store.h"

#include <algorithm>
#include <functional>

#include "cachestore/limits.h"

namespace promptcache::internal {
namespace {

constexpr size_t kRevisionBytes = 8;
constexpr std::string_view kJobPrefix = "job/";

Result<MetaEntry> DecodeRecord(const std::string& key, std::string_view bytes) {
  if (bytes.size() < kRevisionBytes) return DataLoss("meta key '" + key + "': record cut short");
  return MetaEntry{.key = key,
                   .value = std::string(bytes.substr(kRevisionBytes)),
                   .revision = DecodeNumber(bytes)};
}

}  // namespace

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
  PC_RETURN_IF_ERROR(FromRocks(status, "read meta key '" + key + "'"));
  PC_ASSIGN_OR_RETURN(MetaEntry entry, DecodeRecord(key, bytes));
  return std::optional<MetaEntry>(std::move(entry));
}

Result<uint64_t> DiskMetaStore::RevisionOf(const std::string& key) {
  PC_ASSIGN_OR_RETURN(const std::optional<MetaEntry> entry, Get(key));
  return entry ? entry->revision : 0;
}

Result<uint64_t> DiskMetaStore::CompareAndSet(const std::string& key, uint64_t expected,
                                              const std::string& value) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, value.size()));
  std::lock_guard lock(MutexOf(key));
  PC_ASSIGN_OR_RETURN(const uint64_t revision, RevisionOf(key));
  if (revision != expected) return WrongRevision(key, expected, revision);
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(
      batch.Put(FamilyOf(key), RecordKey(key), EncodeNumber(revision + 1) + value), "write"));
  PC_RETURN_IF_ERROR(database_->WriteSynced(batch, "write meta key '" + key + "'"));
  return revision + 1;
}

Status DiskMetaStore::CompareAndRemove(const std::string& key, uint64_t expected) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  std::lock_guard lock(MutexOf(key));
  PC_ASSIGN_OR_RETURN(const uint64_t revision, RevisionOf(key));
  if (revision != expected) return WrongRevision(key, expected, revision);
  if (revision == 0) return {};
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
  const std::string start = RecordKey(prefix);
  const std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator({}, family));
  for (it->Seek(start); it->Valid() && it->key().starts_with(start); it->Next()) {
    const std::string key(it->key().ToStringView().substr(1));
    PC_ASSIGN_OR_RETURN(MetaEntry entry, DecodeRecord(key, it->value().ToStringView()));
    PC_RETURN_IF_ERROR(limit.Take(entry.key, entry.value));
    entries.push_back(std::move(entry));
  }
  return FromRocks(it->status(), "list meta keys");
}

}  // namespace promptcache::internal
