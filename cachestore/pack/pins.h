// An operator's pins as a record of a pack. It is no record of a meta store: ImportRecords passes
// it over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cachestore/admin.h"
#include "cachestore/pack/pack_reader.h"

namespace promptcache {

inline constexpr char kPinsRecord[] = "pack/pins";

// Of the blobs that an operator pinned: a line of 64 hex digits each.
MetaEntry PinsRecordOf(const std::vector<BlobInfo>& blobs);

// Pins the blobs of the pack's record that the store has; nullopt for a pack without one.
Result<std::optional<PinReceipt>> ImportPins(const PackReader& pack, StoreAdmin& store);

}  // namespace promptcache
