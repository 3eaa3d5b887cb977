#include "cachestore/disk/disk_meta_store.h"

#include <functional>
#include <utility>

#include "cachestore/disk/record_walk.h"
#include "cachestore/limits.h"
#include "cachestore/meta_page.h"

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

std::shared_mutex& DiskMetaStore::MutexOf(const std::string& key) {
  return mutexes_[std::hash<std::string>()(key) % mutexes_.size()];
}

DiskMetaStore::Locks DiskMetaStore::Lock(const std::string& key, const MetaFence& fence) {
  Locks locks{.record = std::unique_lock(MutexOf(key), std::defer_lock)};
  if (fence.key.empty() || &MutexOf(fence.key) == &MutexOf(key)) {
    locks.record.lock();
  } else {
    locks.fence = std::shared_lock(MutexOf(fence.key), std::defer_lock);
    std::lock(locks.record, locks.fence);
  }
  return locks;
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

Status DiskMetaStore::CheckRevisions(const std::string& key, uint64_t expected,
                                     const MetaFence& fence) {
  if (!fence.key.empty()) PC_RETURN_IF_ERROR(CheckRevision(fence.key, fence.revision));
  return CheckRevision(key, expected);
}

Result<uint64_t> DiskMetaStore::CompareAndSet(const std::string& key, uint64_t expected,
                                              const std::string& value, const MetaFence& fence) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, value.size()));
  const Locks locks = Lock(key, fence);
  PC_RETURN_IF_ERROR(CheckRevisions(key, expected, fence));
  // Every write, a removal too, takes a number of the database's log, and those only grow: the last
  // one is never below a revision that the key has had.
  const uint64_t before = expected == 0 ? database_->db().GetLatestSequenceNumber() : expected;
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(
      batch.Put(FamilyOf(key), RecordKey(key), EncodeNumber(before + 1) + value), "write"));
  PC_RETURN_IF_ERROR(database_->WriteSynced(batch, "write meta key '" + key + "'"));
  return before + 1;
}

Status DiskMetaStore::CompareAndRemove(const std::string& key, uint64_t expected,
                                       const MetaFence& fence) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  const Locks locks = Lock(key, fence);
  PC_RETURN_IF_ERROR(CheckRevisions(key, expected, fence));
  rocksdb::WriteBatch batch;
  PC_RETURN_IF_ERROR(FromRocks(batch.Delete(FamilyOf(key), RecordKey(key)), "remove"));
  return database_->WriteSynced(batch, "remove meta key '" + key + "'");
}

// The records of jobs stand between the others as their keys do.
Result<MetaPage> DiskMetaStore::Page(const MetaPageRequest& request) {
  MetaPageBuilder page(request.limit, request.limit_bytes);
  const auto add = [&](MetaEntry entry) { return page.Add(std::move(entry)); };
  const bool only_jobs = request.prefix.starts_with(kJobPrefix);
  bool jobs_are_due =
      database_->journal() != nullptr && (only_jobs || kJobPrefix.starts_with(request.prefix));
  const auto add_jobs = [&]() -> Status {
    if (!std::exchange(jobs_are_due, false)) return {};
    return Walk(database_->journal(), request, add);
  };
  Status jobs;
  if (!only_jobs) {
    PC_RETURN_IF_ERROR(Walk(database_->meta(), request, [&](MetaEntry entry) {
      if (entry.key > kJobPrefix) jobs = add_jobs();
      return jobs.ok() && add(std::move(entry));
    }));
  }
  PC_RETURN_IF_ERROR(jobs);
  PC_RETURN_IF_ERROR(add_jobs());
  return page.Finish();
}

Status DiskMetaStore::Walk(rocksdb::ColumnFamilyHandle* family, const MetaPageRequest& request,
                           const std::function<bool(MetaEntry)>& add) const {
  const bool from_start = request.after < request.prefix || request.after.empty();
  return WalkRecords(*database_, family, RecordKey(request.prefix),
                     from_start ? std::string() : RecordKey(request.after),
                     [&](std::string_view key, std::string_view value, RecordTrust trust) {
                       if (trust == RecordTrust::kDamagedBlock) return true;
                       Result<MetaEntry> entry = DecodeRecord(key, value);
                       return !entry.ok() || add(*std::move(entry));
                     });
}

}  // namespace promptcache::internal
