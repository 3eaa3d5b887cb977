// Reading everything a store has.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cachestore/admin.h"
#include "cachestore/store.h"

namespace promptcache {

struct DamagedBlob {
  UnitKey key;
  std::vector<Reference> references;  // empty where the damage took them
  std::string reason;
  bool dropped = false;
  bool operator==(const DamagedBlob&) const = default;
};

struct VerifyReport {
  uint64_t blobs = 0;  // that were read
  uint64_t bytes = 0;
  double seconds = 0;
  std::vector<DamagedBlob> damaged;  // by key
};

// How many bytes of how many are read. On any thread, one call at a time. May be empty.
using VerifyProgress = std::function<void(uint64_t done, uint64_t total)>;

// Reads the blobs, so many at a time, and checks every byte. Blobs that go meanwhile are passed
// over. An error when the store cannot be read, not for damage.
Result<VerifyReport> VerifyBlobs(BlobStore& store, const std::vector<BlobInfo>& blobs,
                                 unsigned threads, const VerifyProgress& progress);

// Adds what a check of the records found of blobs that cannot even be listed.
void AddFindings(const CheckReport& check, VerifyReport& report);

// Drops the damaged blobs and says so in the report; they are encoded again when they are used.
// Each is looked at once more: a worker may have dropped it and stored it anew.
Status DropDamaged(BlobStore& store, StoreAdmin& admin, VerifyReport& report);
bool HasDamageLeft(const VerifyReport& report);

nlohmann::json VerifyToJson(const VerifyReport& report);
std::string RenderVerify(const VerifyReport& report);

}  // namespace promptcache
