// From a pack into the stores.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cachestore/pack/pack_reader.h"

namespace promptcache {

enum class ImportOutcome : uint8_t {
  kImported,
  kPresent,  // stored before; the references were added
  kBusy,     // another writer is storing the same unit now
};

// One blob: committed after every byte of it was right. kDataLoss when it is damaged, else the
// errors of the store; nothing of it is stored then.
Result<ImportOutcome> ImportBlob(const PackReader& pack, const PackBlob& blob, BlobStore& store);

struct ImportReport {
  uint64_t imported = 0;
  uint64_t imported_bytes = 0;
  uint64_t present = 0;
  uint64_t busy = 0;
  bool operator==(const ImportReport&) const = default;
};
using ImportProgress = std::function<void(const PackBlob&, ImportOutcome)>;

// Every blob, and `progress` (which may be empty) after each. Ends at the first error; what was
// imported stays, and the next try passes it over.
Result<ImportReport> ImportPack(const PackReader& pack, BlobStore& store,
                                const ImportProgress& progress);

struct RecordReport {
  uint64_t imported = 0;
  uint64_t present = 0;           // with the same value
  std::vector<std::string> kept;  // keys that have another value in the store, which stays
  bool operator==(const RecordReport&) const = default;
};

// The pack's records that the store does not have; not those of pins.h.
Result<RecordReport> ImportRecords(const PackReader& pack, MetaStore& store);

}  // namespace promptcache
