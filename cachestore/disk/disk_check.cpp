#include <algorithm>

#include "cachestore/disk/disk_core.h"

namespace promptcache::internal {
namespace {

void CheckBlobs(const DiskCore& core, const ScannedRecords& records, CheckReport& report) {
  const FilesByGeneration files = OwnFiles(core.database()->DataFiles());
  for (const ScannedRecords::Found& found : records.blobs) {
    const std::string key = found.manifest.info.key.ToHex();
    const std::string defect = FileDefect(found.manifest, files);
    if (!defect.empty()) report.findings.push_back({"chunks missing", key + ": " + defect});
  }
  for (const UnitKey& key : records.damaged) {
    report.findings.push_back({"manifest damaged", key.ToHex()});
  }
  for (const UnitKey& key : records.uses_alone) {
    report.findings.push_back({"use without a manifest", key.ToHex()});
  }
}

void CheckCounters(DiskCore& core, const ScannedRecords& records, CheckReport& report) {
  uint64_t bytes = 0;
  for (const ScannedRecords::Found& found : records.blobs) bytes += found.manifest.info.bytes;
  const StoreStats stats = core.table().stats();
  const auto compare = [&](const char* what, uint64_t counted, uint64_t stored) {
    if (counted == stored) return;
    report.findings.push_back({"counter differs", std::string(what) + ": " +
                                                      std::to_string(counted) + " counted, " +
                                                      std::to_string(stored) + " stored"});
  };
  compare("blobs", stats.blobs, records.blobs.size());
  compare("bytes", stats.bytes, bytes);
}

Result<CheckReport> LookAtAll(DiskCore& core) {
  PC_ASSIGN_OR_RETURN(const ScannedRecords records, ScanRecords(*core.database()));
  CheckReport report{.blobs = records.blobs.size(),
                     .files = core.database()->DataFiles().size(),
                     .references = core.table().references()};
  CheckBlobs(core, records, report);
  for (const uint64_t generation : core.Orphans()) {
    report.findings.push_back({"chunks without a manifest", std::to_string(generation)});
  }
  for (const std::string& key : records.damaged_records) {
    report.findings.push_back({"record damaged", key});
  }
  if (records.in_damaged_blocks > 0 || records.lost_walks > 0) {
    report.findings.push_back(
        {"records unreadable", std::to_string(records.in_damaged_blocks) + " in damaged blocks" +
                                   (records.lost_walks > 0 ? ", others not found" : "")});
  }
  CheckCounters(core, records, report);
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
