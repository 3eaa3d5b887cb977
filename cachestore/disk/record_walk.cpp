#include "cachestore/disk/record_walk.h"

namespace promptcache::internal {
namespace {

// What WalkRecords visits behind the key `last`, from the first damaged block on.
Status WalkDamaged(const Database& database, rocksdb::ColumnFamilyHandle* family,
                   const std::string& prefix, const std::string& last, const VisitRecord& visit) {
  rocksdb::ReadOptions options;
  options.verify_checksums = false;
  options.fill_cache = false;  // else others would be given what nobody verified
  const std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(options, family));
  std::string value;
  for (it->Seek(last.empty() ? prefix : last); it->Valid(); it->Next()) {
    const std::string key = it->key().ToString();
    if (!key.starts_with(prefix)) break;
    if (key == last) continue;
    RecordTrust trust = RecordTrust::kVerified;
    const rocksdb::Status status = database.db().Get({}, family, key, &value);
    if (status.IsNotFound()) continue;  // the damage is in the key
    if (status.IsCorruption()) {
      trust = RecordTrust::kDamagedBlock;
      value = it->value().ToString();
    } else if (!status.ok()) {
      return FromRocks(status, "read a record");
    }
    if (!visit(std::string_view(key).substr(1), value, trust)) return {};
  }
  return FromRocks(it->status(), "list the records");
}

}  // namespace

Status WalkRecords(const Database& database, rocksdb::ColumnFamilyHandle* family,
                   const std::string& prefix, const std::string& after, const VisitRecord& visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(options, family));
  std::string last = after;
  it->Seek(last.empty() ? prefix : last);
  if (it->Valid() && it->key() == last) it->Next();
  for (; it->Valid() && it->key().starts_with(prefix); it->Next()) {
    last = it->key().ToStringView();  // into the memory it has
    if (!visit(std::string_view(last).substr(1), it->value().ToStringView(),
               RecordTrust::kVerified)) {
      return {};
    }
  }
  if (it->status().IsCorruption()) return WalkDamaged(database, family, prefix, last, visit);
  return FromRocks(it->status(), "list the records");
}

}  // namespace promptcache::internal
