// A walk over records that goes on behind damage. Internal to cachestore/disk.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cachestore/disk/database.h"

namespace promptcache::internal {

enum class RecordTrust : uint8_t {
  kVerified,
  kDamagedBlock  // as it stands in a block that fails its checksum: it may be wrong
};

// `key` without its tag. False ends the walk.
using VisitRecord =
    std::function<bool(std::string_view key, std::string_view value, RecordTrust trust)>;

// The records of a family whose keys begin with `prefix`, in key order, those behind the key
// `after` (with its tag) unless that is empty. REQUIRES: `after` is not before `prefix`. A damaged
// block ends an iterator of RocksDB. Keys are then taken as the blocks have them, and each record
// is asked for by its key: what another table or the log holds is as good as ever. Nothing is
// changed, so nothing that can be read is lost. kDataLoss when there are keys that cannot even be
// found; what was visited is sound. kUnavailable when the disk refuses.
Status WalkRecords(const Database& database, rocksdb::ColumnFamilyHandle* family,
                   const std::string& prefix, const std::string& after, const VisitRecord& visit);

}  // namespace promptcache::internal
