#include "cachestore/pack/import.h"

#include "cachestore/pack/pins.h"

namespace promptcache {

Result<ImportOutcome> ImportBlob(const PackReader& pack, const PackBlob& blob, BlobStore& store) {
  auto started =
      store.StartPut({.key = blob.key, .bytes = blob.body.bytes, .imports = blob.imports});
  if (started.status().code() == Code::kAlreadyExists) return ImportOutcome::kPresent;
  if (started.status().code() == Code::kBusy) return ImportOutcome::kBusy;
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> writer, std::move(started));
  PC_RETURN_IF_ERROR(
      pack.CopyBlob(blob, [&](std::span<const uint8_t> bytes) { return writer->Append(bytes); }));
  PC_RETURN_IF_ERROR(writer->Commit());
  return ImportOutcome::kImported;
}

Result<ImportReport> ImportPack(const PackReader& pack, BlobStore& store,
                                const ImportProgress& progress) {
  ImportReport report;
  for (const PackBlob& blob : pack.manifest().blobs) {
    PC_ASSIGN_OR_RETURN(const ImportOutcome outcome, ImportBlob(pack, blob, store));
    switch (outcome) {
      case ImportOutcome::kImported:
        ++report.imported;
        report.imported_bytes += blob.body.bytes;
        break;
      case ImportOutcome::kPresent:
        ++report.present;
        break;
      case ImportOutcome::kBusy:
        ++report.busy;
    }
    if (progress) progress(blob, outcome);
  }
  return report;
}

Result<RecordReport> ImportRecords(const PackReader& pack, MetaStore& store) {
  RecordReport report;
  for (const PackRecord& record : pack.manifest().records) {
    if (record.key == kPinsRecord) continue;
    PC_ASSIGN_OR_RETURN(const std::string value, pack.ReadRecord(record));
    PC_ASSIGN_OR_RETURN(const std::optional<MetaEntry> entry, store.Get(record.key));
    if (!entry) {
      PC_RETURN_IF_ERROR(store.CompareAndSet(record.key, 0, value).status());
      ++report.imported;
    } else if (entry->value == value) {
      ++report.present;
    } else {
      report.kept.push_back(record.key);
    }
  }
  return report;
}

}  // namespace promptcache
