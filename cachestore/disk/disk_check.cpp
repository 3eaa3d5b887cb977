#include <set>

#include "cachestore/disk/disk_core.h"

namespace promptcache::internal {
namespace {

// What the manifests say there is.
struct Stored {
  uint64_t blobs = 0;
  uint64_t bytes = 0;
  std::set<uint64_t> generations;
};

Stored CheckBlobs(DiskCore& core, const FilesByGeneration& files, const ScannedRecords& records,
                  CheckReport& report) {
  std::set<UnitKey> in_table;
  for (const StoredBlobPtr& blob : core.table().Stored()) in_table.insert(blob->info.key);
  Stored stored;
  for (const ScannedRecords::Found& found : records.blobs) {
    const BlobInfo& info = found.manifest.info;
    stored.generations.insert(found.manifest.generation);
    const std::string defect = FileDefect(found.manifest, files);
    if (!defect.empty()) {
      report.findings.push_back({"chunks missing", info.key.ToHex() + ": " + defect});
      // Opening has passed it over, and that is told already.
      if (!in_table.contains(info.key)) continue;
    }
    ++stored.blobs;
    stored.bytes += info.bytes;
  }
  for (const UnitKey& key : records.damaged) {
    report.findings.push_back({"manifest damaged", key.ToHex()});
  }
  for (const UnitKey& key : records.uses_alone) {
    report.findings.push_back({"use without a manifest", key.ToHex()});
  }
  return stored;
}

void CheckOrphans(const DiskCore& core, const FilesByGeneration& files, const Stored& stored,
                  CheckReport& report) {
  for (const uint64_t generation : core.Orphans()) {
    const auto file = files.find(generation);
    if (file == files.end() || stored.generations.contains(generation)) continue;
    report.findings.push_back({"chunks without a manifest", file->second.path});
  }
}

void CheckCounters(DiskCore& core, const Stored& stored, CheckReport& report) {
  const StoreStats stats = core.table().stats();
  const auto compare = [&](const char* what, uint64_t counted, uint64_t there) {
    if (counted == there) return;
    report.findings.push_back({"counter differs", std::string(what) + ": " +
                                                      std::to_string(counted) + " counted, " +
                                                      std::to_string(there) + " stored"});
  };
  compare("blobs", stats.blobs, stored.blobs);
  compare("bytes", stats.bytes, stored.bytes);
}

Result<CheckReport> LookAtAll(DiskCore& core) {
  PC_ASSIGN_OR_RETURN(const ScannedRecords records, ScanRecords(*core.database()));
  const std::vector<DataFile> files = core.database()->DataFiles();
  const FilesByGeneration own_files = OwnFiles(files);
  CheckReport report{.blobs = records.blobs.size(),
                     .files = files.size(),
                     .references = core.table().references()};
  const Stored stored = CheckBlobs(core, own_files, records, report);
  CheckOrphans(core, own_files, stored, report);
  for (const std::string& key : records.damaged_records) {
    report.findings.push_back({"record damaged", key});
  }
  if (records.in_damaged_blocks > 0 || records.lost_walks > 0) {
    report.findings.push_back(
        {"records unreadable", std::to_string(records.in_damaged_blocks) + " in damaged blocks" +
                                   (records.lost_walks > 0 ? ", others not found" : "")});
  }
  CheckCounters(core, stored, report);
  return report;
}

}  // namespace

Result<CheckReport> CheckDisk(DiskCore& core) {
  Result<CheckReport> report = CheckReport();
  PC_RETURN_IF_ERROR(core.table().WhileUnchanged([&] {
    report = LookAtAll(core);
    return report.status();
  }));
  return report;
}

}  // namespace promptcache::internal
