// What a store holds, for whom and for how long: quota, eviction, pins, lifetimes and references.
// Pure: it changes by the calls of its owner alone, who gives the time and carries out what it
// says.
//
// What leaves first is what saves the fewest seconds a byte: score = encode seconds · weight /
// bytes, where the weight counts imports, each halved with every half-life that has passed. Two
// scores keep their order while time passes, so the order is kept in a set. A tenant over its bytes
// loses blobs of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cachestore/admin.h"
#include "cachestore/catalog/blob_share.h"
#include "cachestore/store.h"
#include "common/status.h"
#include "common/tenant_limits.h"

namespace promptcache {

struct CatalogLimits {
  uint64_t quota_bytes = 0;      // 0: none
  uint64_t pin_quota_bytes = 0;  // of pinned blobs together; 0: no blob may be pinned
  uint64_t use_half_life_ms = 86'400'000;
  // What a blob takes besides its own bytes, and for each whole MiB of them.
  uint64_t blob_overhead_bytes = 0;
  uint64_t mib_overhead_bytes = 0;
  TenantLimits tenants;  // of blobs that are one tenant's alone
};

// What the catalog knows of a committed blob.
struct CatalogBlob {
  uint64_t bytes = 0;
  double encode_seconds = 0;
  BlobUse use;
};

// What a change makes the owner write.
enum class Durability : uint8_t { kNone, kSoon, kNow };

// Not thread safe.
class Catalog {
 public:
  explicit Catalog(const CatalogLimits& limits) : limits_(limits) {}

  // ---- puts ----

  // Reserves room for a blob until EndPut and returns what must be dropped for it, cheapest first;
  // the owner drops these, then calls Erase for each. kAlreadyExists, kBusy, kResourceExhausted as
  // BlobStore::StartPut.
  Result<std::vector<UnitKey>> StartPut(const PutRequest& put, uint64_t now_ms);
  // The writer has gone; call also after Insert.
  // Returns the imports that were told meanwhile.
  std::vector<Import> EndPut(const UnitKey& key, uint64_t bytes);
  // Keeps an import, one of at most kMaxBlobReferences, for the blob that is being put. Nothing
  // when none is.
  void AddToPut(const UnitKey& key, const Import& import);
  // A blob that was committed. Its imports are references: they were paid for with an encoding.
  void Insert(const UnitKey& key, CatalogBlob blob, std::span<const Import> imports,
              uint64_t now_ms);
  // A blob that was committed earlier, with what was known of it then.
  void Restore(const UnitKey& key, CatalogBlob blob);
  void Erase(const UnitKey& key);

  // ---- looking ----

  // Null when the key is not there, or has expired.
  const CatalogBlob* Find(const UnitKey& key, uint64_t now_ms) const;
  const CatalogBlob* FindStored(const UnitKey& key) const;  // expired or not
  uint64_t blobs() const { return blobs_.size(); }
  uint64_t bytes() const { return bytes_; }  // of the blobs themselves
  uint64_t reserved_bytes() const { return all_.reserved(); }
  uint64_t pinned_bytes() const { return all_.pinned_bytes(); }
  uint64_t refused_pins() const { return refused_pins_; }
  uint64_t references() const { return references_; }
  const CatalogLimits& limits() const { return limits_; }

  // ---- lives ----

  // Adds or renews a reference. Nothing when the key is not there. A pin that the quota, or the
  // tenant's limit, has no room for is counted, and the import lives like any other. A reference
  // beyond kMaxBlobReferences (limits.h) drops another.
  Durability RecordReference(const UnitKey& key, const Import& import, uint64_t now_ms);
  // The same of who used the blob in place of an encoding, which is counted.
  Durability RecordImport(const UnitKey& key, const Import& import, uint64_t now_ms);
  // An operator's pin. kResourceExhausted over the pin quota or the tenant's limit; true when it
  // changed anything.
  Result<bool> SetPin(const UnitKey& key, PinChange change);
  struct Dropped {
    uint64_t references = 0;
    bool unreferenced = false;  // it had references, or was named, and nothing holds it any more
  };
  // Drops the references that match, unless an operator pinned it. REQUIRES: the selector is valid
  // and the key is there.
  Dropped RemoveReferences(const UnitKey& key, const BlobSelector& selector);
  // Blobs whose time is up, and references of others that are dropped with this call.
  struct Expired {
    std::vector<UnitKey> blobs;
    std::vector<UnitKey> changed;  // blobs that lost references
    uint64_t references = 0;
  };
  Expired TakeExpired(uint64_t now_ms);
  // What must go for the limits of tenants and the quota to hold again, cheapest first.
  std::vector<UnitKey> OverQuota() const;

 private:
  struct Putting {
    std::string tenant;        // whose it will be
    std::vector<Import> told;  // meanwhile
  };

  uint64_t Charge(uint64_t bytes) const {
    return bytes + limits_.blob_overhead_bytes + (bytes >> 20) * limits_.mib_overhead_bytes;
  }
  uint64_t Quota() const {
    return limits_.quota_bytes > 0 ? limits_.quota_bytes : TenantLimit::kNone;
  }
  double ScoreOf(const CatalogBlob& blob) const;
  SharedBlob ShareOf(const UnitKey& key, const CatalogBlob& blob) const;
  // Every change of a blob happens between these, which keep order, sums and expiry.
  void Leave(const UnitKey& key, const CatalogBlob& blob);
  void Enter(const UnitKey& key, const CatalogBlob& blob);
  // kResourceExhausted when a blob that is the tenant's may not be pinned; counts that.
  Status CheckPin(const CatalogBlob& blob, const std::string& tenant);
  void Use(CatalogBlob& blob, uint64_t now_ms) const;

  const CatalogLimits limits_;
  std::unordered_map<UnitKey, CatalogBlob> blobs_;
  std::set<std::pair<uint64_t, UnitKey>> ends_;  // when the next reference or the blob expires
  std::unordered_map<UnitKey, Putting> putting_;
  BlobShare all_;
  std::map<std::string, BlobShare> tenants_;  // of what is one tenant's alone
  uint64_t bytes_ = 0;
  uint64_t refused_pins_ = 0;
  uint64_t references_ = 0;
};

// Whether an operator or a reference pins it.
bool IsPinned(const BlobUse& use);
// When it ends by itself, in Unix milliseconds; UINT64_MAX: never.
uint64_t EndOf(const BlobUse& use);

}  // namespace promptcache
