#include <cstring>

#include "cachestore/disk/disk_core.h"
#include "cachestore/disk/disk_meta_store.h"

namespace promptcache::internal {
namespace {

bool KeyFrom(std::string_view bytes, UnitKey& key) {
  if (bytes.size() != key.bytes.size()) return false;
  std::memcpy(key.bytes.data(), bytes.data(), bytes.size());
  return true;
}

// Visits every record under the tag, and notes what could not be read.
Status Scan(const Database& database, rocksdb::ColumnFamilyHandle* family, char tag,
            const std::function<void(std::string_view, std::string_view)>& visit,
            ScannedRecords& records) {
  RecordWalk walk(database, family, std::string(1, tag));
  PC_RETURN_IF_ERROR(walk.Run([&](std::string_view key, std::string_view value) {
    ++records.readable;
    visit(key, value);
    return true;
  }));
  records.unreadable.insert(records.unreadable.end(), walk.unreadable().begin(),
                            walk.unreadable().end());
  return {};
}

Result<std::map<UnitKey, BlobUse>> ScanUses(const Database& database, ScannedRecords& records) {
  std::map<UnitKey, BlobUse> uses;
  const auto add = [&](std::string_view key_bytes, std::string_view value) {
    UnitKey key;
    if (!KeyFrom(key_bytes, key)) return;
    Result<BlobUse> use = DecodeUse(key, value);
    // What cannot be read of it is as if the blob had just been committed without a reference.
    if (use.ok()) uses[key] = std::move(use).value();
  };
  PC_RETURN_IF_ERROR(Scan(database, database.meta(), kUseTag, add, records));
  return uses;
}

Status ScanManifests(const Database& database, std::map<UnitKey, BlobUse>& uses,
                     ScannedRecords& records) {
  Status later;
  const auto add = [&](std::string_view key_bytes, std::string_view value) {
    UnitKey key;
    if (!KeyFrom(key_bytes, key)) return;
    Result<Manifest> manifest = DecodeManifest(key, value);
    if (manifest.status().code() == Code::kFailedPrecondition) later = manifest.status();
    if (!manifest.ok()) return records.damaged.push_back(key);
    ScannedRecords::Found& found = records.blobs.emplace_back();
    found.manifest = std::move(manifest).value();
    auto use = uses.extract(key);
    if (!use.empty()) {
      found.use = std::move(use.mapped());
    } else {
      found.use = {.used_unix_ms = found.manifest.info.committed_unix_ms, .weight = 1};
    }
  };
  PC_RETURN_IF_ERROR(Scan(database, database.meta(), kManifestTag, add, records));
  return later;
}

}  // namespace

Result<ScannedRecords> ScanRecords(const Database& database) {
  ScannedRecords records;
  PC_ASSIGN_OR_RETURN(auto uses, ScanUses(database, records));
  PC_RETURN_IF_ERROR(ScanManifests(database, uses, records));
  for (const auto& [key, use] : uses) records.uses_alone.push_back(key);
  const auto pass = [&](std::string_view key, std::string_view value) {
    if (!DecodeRecord(key, value).ok()) records.damaged_records.emplace_back(key);
  };
  for (rocksdb::ColumnFamilyHandle* family : {database.meta(), database.journal()}) {
    if (family != nullptr) PC_RETURN_IF_ERROR(Scan(database, family, kRecordTag, pass, records));
  }
  return records;
}

}  // namespace promptcache::internal
