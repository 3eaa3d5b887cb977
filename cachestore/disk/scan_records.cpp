#include <cstring>

#include "cachestore/disk/disk_core.h"
#include "cachestore/disk/disk_meta_store.h"
#include "cachestore/disk/record_walk.h"

namespace promptcache::internal {
namespace {

bool KeyFrom(std::string_view bytes, UnitKey& key) {
  if (bytes.size() != key.bytes.size()) return false;
  std::memcpy(key.bytes.data(), bytes.data(), bytes.size());
  return true;
}

// Visits every record under the tag, and counts what stands in damage and where a walk ended.
Status Scan(const Database& database, rocksdb::ColumnFamilyHandle* family, char tag,
            const VisitRecord& visit, ScannedRecords& records) {
  const Status status =
      WalkRecords(database, family, std::string(1, tag), "",
                  [&](std::string_view key, std::string_view value, RecordTrust trust) {
                    records.in_damaged_blocks += trust == RecordTrust::kDamagedBlock ? 1 : 0;
                    return visit(key, value, trust);
                  });
  if (status.code() != Code::kDataLoss) return status;
  ++records.lost_walks;
  return {};
}

Result<std::map<UnitKey, BlobUse>> ScanUses(const Database& database, ScannedRecords& records) {
  std::map<UnitKey, BlobUse> uses;
  const auto add = [&](std::string_view key_bytes, std::string_view value, RecordTrust) {
    UnitKey key;
    if (!KeyFrom(key_bytes, key)) return true;
    Result<BlobUse> use = DecodeUse(key, value);
    // What cannot be read of it is as if the blob had just been committed without a reference.
    if (use.ok()) uses[key] = std::move(use).value();
    return true;
  };
  PC_RETURN_IF_ERROR(Scan(database, database.meta(), kUseTag, add, records));
  return uses;
}

Status ScanManifests(const Database& database, std::map<UnitKey, BlobUse>& uses,
                     ScannedRecords& records) {
  Status later;
  const auto add = [&](std::string_view key_bytes, std::string_view value, RecordTrust) {
    UnitKey key;
    if (!KeyFrom(key_bytes, key)) return true;
    Result<Manifest> manifest = DecodeManifest(key, value);
    if (manifest.status().code() == Code::kFailedPrecondition) later = manifest.status();
    if (!manifest.ok()) {
      records.damaged.push_back(key);
      return true;
    }
    ScannedRecords::Found& found = records.blobs.emplace_back();
    found.manifest = std::move(manifest).value();
    auto use = uses.extract(key);
    if (!use.empty()) {
      found.use = std::move(use.mapped());
    } else {
      found.use = {.used_unix_ms = found.manifest.info.committed_unix_ms, .weight = 1};
    }
    return true;
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
  const auto pass = [&](std::string_view key, std::string_view value, RecordTrust trust) {
    const bool sound = trust == RecordTrust::kVerified && DecodeRecord(key, value).ok();
    if (!sound) records.damaged_records.emplace_back(key);
    return true;
  };
  for (rocksdb::ColumnFamilyHandle* family : {database.meta(), database.journal()}) {
    if (family != nullptr) PC_RETURN_IF_ERROR(Scan(database, family, kRecordTag, pass, records));
  }
  return records;
}

}  // namespace promptcache::internal
