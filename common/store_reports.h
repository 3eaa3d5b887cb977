// What operators ask of a store, and what it answers. As they are, these are also messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/references.h"
#include "common/status.h"
#include "common/types.h"

namespace promptcache {

struct StoreStats {
  uint64_t blobs = 0;
  uint64_t bytes = 0;
  uint64_t puts = 0;
  uint64_t gets = 0;
  uint64_t hits = 0;
  uint64_t corruptions = 0;  // blobs or chunks that failed verification since start
  uint64_t evictions = 0;    // blobs that made room for others
  uint64_t expirations = 0;
  uint64_t refused_pins = 0;
  uint64_t pinned_bytes = 0;
  uint64_t quota_bytes = 0;  // 0: as much as the disk has
  uint64_t pin_quota_bytes = 0;
  uint64_t free_bytes = 0;      // of the disk
  uint64_t payload_bytes = 0;   // of blobs committed since start
  uint64_t written_bytes = 0;   // to the disk for them: payload, tables, logs, rewriting
  std::string read_only;        // why nothing can be written now; empty: it can
  uint64_t lock_wait_us = 0;    // of all threads together, for the table of blobs
  uint64_t idle_transfers = 0;  // of a server, ended because their peers did not go on
  bool operator==(const StoreStats&) const = default;
};

// References by name, or blobs by key. Fields that are empty match everything; at least one is not.
struct BlobSelector {
  std::string tenant;
  std::string schema;
  std::string version;
  std::string module;         // itself and what is inside it
  std::vector<UnitKey> keys;  // only these blobs
  bool Matches(const Reference& reference) const;
  bool names_references() const;  // a field other than keys is given
  bool operator==(const BlobSelector&) const = default;
};

// kInvalidArgument for a selector that would match everything.
Status CheckSelector(const BlobSelector& selector);

struct RemovedBlob {
  UnitKey key;
  uint64_t bytes = 0;
  bool operator==(const RemovedBlob&) const = default;
};
struct KeptBlob {
  UnitKey key;
  uint64_t bytes = 0;
  std::vector<Reference> references;  // that are left
  bool operator==(const KeptBlob&) const = default;
};

enum class Erasure : uint8_t {
  kDrop,   // gone for every reader that comes; the files follow when the last reader has gone
  kProve,  // and it was looked for the bytes on the disk
};

struct RemovalReceipt {
  uint64_t references = 0;  // dropped
  std::vector<RemovedBlob> removed;
  std::vector<KeptBlob> shared;  // other references hold them
  // With kProve: blobs of `removed` whose bytes are still in a file, because a reader holds it or
  // the disk refuses. Empty: no file of the store holds any of them.
  std::vector<UnitKey> still_on_disk;
  bool operator==(const RemovalReceipt&) const = default;
};

enum class PinChange : uint8_t { kPin, kUnpin };

struct PinReceipt {
  uint64_t blobs = 0;    // changed
  uint64_t refused = 0;  // over the pin quota
  uint64_t pinned_bytes = 0;
  uint64_t pin_quota_bytes = 0;
  bool operator==(const PinReceipt&) const = default;
};

enum class CheckMode : uint8_t { kReport, kRepair };

// One thing that is not as it should be.
struct CheckFinding {
  std::string kind;   // "manifest damaged", "chunks missing", "chunks without a manifest", ...
  std::string where;  // a key, a file
  bool repaired = false;
  bool operator==(const CheckFinding&) const = default;
};
struct CheckReport {
  uint64_t blobs = 0;
  uint64_t files = 0;
  uint64_t references = 0;
  std::vector<CheckFinding> findings;
  bool operator==(const CheckReport&) const = default;
};

struct GarbageReport {
  uint64_t expired_blobs = 0;
  uint64_t expired_references = 0;
  uint64_t evicted_blobs = 0;  // over the quota, as after it was lowered
  uint64_t freed_bytes = 0;
  uint64_t orphans = 0;  // chunks that no manifest names
  bool operator==(const GarbageReport&) const = default;
};

}  // namespace promptcache
