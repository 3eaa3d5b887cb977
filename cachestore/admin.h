// What operators do with a store: drop by name, pin, check, collect.
#pragma once

#include "cachestore/store.h"
#include "common/status.h"

namespace promptcache {

// All methods may be called from any thread. kFailedPrecondition on a store that is open for
// reading only, for whatever would change it.
class StoreAdmin {
 public:
  virtual ~StoreAdmin() = default;
  // Drops the references that match (all of a blob named by its key alone), then the blobs that
  // have none left. Pins of references fall with them. A blob that an operator pinned stays as it
  // is, with all its references, and is `shared`: it must be unpinned first.
  virtual Result<RemovalReceipt> RemoveReferences(const BlobSelector& selector,
                                                  Erasure erasure) = 0;
  // An operator's pin, on blobs with a matching reference.
  virtual Result<PinReceipt> SetPins(const BlobSelector& selector, PinChange change) = 0;
  // Compares manifests, chunks, references and counters with each other, both ways, without
  // reading tensors.
  virtual Result<CheckReport> Check(CheckMode mode) = 0;
  // Drops what has expired, what is over the quota, and chunks that belong to nothing.
  virtual Result<GarbageReport> CollectGarbage() = 0;
};

}  // namespace promptcache
