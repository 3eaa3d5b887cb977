#include "cachestore/disk/disk_meta_store.h"

#include <functional>

#include "cachestore/limits.h"

namespace promptcache::internal {
namespace {

constexpr size_t kRevisionBytes = 8;

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

Result<std::optional<MetaEntry>> DiskMetaStore::Get(const std::string& key) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  const Result<std::string> bytes = database_->GetMeta(RecordKey(key));
  if (bytes.status().code() == Code::kNotFound) return std::optional<MetaEntry>();
  PC_RETURN_IF_ERROR(bytes.status());
  PC_ASSIGN_OR_RETURN(MetaEntry entry, DecodeRecord(key, *bytes));
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
      batch.Put(database_->meta(), RecordKey(key), EncodeNumber(revision + 1) + value), "write"));
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
  PC_RETURN_IF_ERROR(FromRocks(batch.Delete(database_->meta(), RecordKey(key)), "remove"));
  return database_->WriteSynced(batch, "remove meta key '" + key + "'");
}

Result<std::vector<MetaEntry>> DiskMetaStore::List(const std::string& prefix) {
  const std::string start = RecordKey(prefix);
  std::vector<MetaEntry> entries;
  const std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator({}, database_->meta()));
  for (it->Seek(start); it->Valid() && it->key().starts_with(start); it->Next()) {
    const std::string key(it->key().ToStringView().substr(1));
    PC_ASSIGN_OR_RETURN(MetaEntry entry, DecodeRecord(key, it->value().ToStringView()));
    entries.push_back(std::move(entry));
  }
  PC_RETURN_IF_ERROR(FromRocks(it->status(), "list meta keys"));
  return entries;
}

}  // namespace promptcache::internal
