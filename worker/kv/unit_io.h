// Units to and from a store, every byte verified.
#pragma once

#include "cachestore/store.h"
#include "common/status.h"
#include "worker/kv/unit.h"
#include "worker/model/model.h"

namespace promptcache {

// What a loaded unit must be.
struct UnitExpectation {
  UnitKey key;
  std::shared_ptr<const Recipe> recipe;
  RecipeDigest digest;
  const Identity* identity = nullptr;
  ModelShape shape;
  at::TensorOptions options;  // dtype and device
};

// Reads the blob straight into the unit's tensor (through host memory for other devices) and
// verifies header, identity, recipe, shape and every segment. Thread safe. kNotFound: not stored;
// kDataLoss: damaged (the store has been told); kFailedPrecondition: another identity, naming the
// field; kUnavailable, kDeadlineExceeded: the store. At most one user-space copy of the tensors
// after the store's own.
Result<UnitPtr> LoadUnit(BlobStore& store, const UnitExpectation& expected);

// Writes the unit as a blob and commits it. OK when it is stored already. Thread safe.
// kBusy while another writer is storing it: no failure.
Status StoreUnit(BlobStore& store, const Unit& unit, const Identity& identity,
                 const std::vector<Import>& imports = {});

}  // namespace promptcache
