// Units to and from a store, every byte verified.
#pragma once

#include <optional>

#include "cachestore/format/blob.h"
#include "cachestore/store.h"
#include "common/status.h"
#include "worker/device/copy_stream.h"
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

// What a worker stores its units as.
struct StoreFormat {
  Identity identity;  // its kv_layout may be any that blobs know
  BlobEncoding encoding = BlobEncoding::kPlain;
};

// A unit on its way from a store, a layer at a time. Every byte is verified before it counts. The
// errors: kNotFound: not stored; kDataLoss: damaged; kFailedPrecondition: of another identity or
// shape than its key says, naming the field (of both the store has been told); kUnavailable,
// kDeadlineExceeded: the store; kResourceExhausted: no memory. Not thread safe, but who holds the
// unit may be on another thread.
class UnitLoad {
 public:
  // The store outlives it.
  UnitLoad(BlobStore& store, UnitExpectation expected);
  // Tells the unit's readers when layers are missing that were not read.
  ~UnitLoad();

  // Opens the blob, verifies header, identity, recipe and shape, and makes the unit: its layers
  // are still to arrive (Unit::arrival).
  Result<UnitPtr> Start();
  // Reads the next layer straight into the unit's tensor (through host memory of a layer for other
  // devices). True when it was the last. REQUIRES: Start or the last ReadLayer was OK.
  Result<bool> ReadLayer();

  const UnitExpectation& expected() const { return expected_; }

 private:
  Result<UnitPtr> OpenUnit();
  Status ReadNext();
  // Tells the store of what is not what its key says, and the unit's readers of any failure.
  Status Failed(Status status);

  BlobStore& store_;
  const UnitExpectation expected_;
  std::unique_ptr<BlobReader> reader_;
  BlobHeader header_;
  UnitPtr unit_;
  std::shared_ptr<LayerArrival> arrival_;
  size_t next_ = 0;  // layer
  at::Tensor host_;  // where a layer is read to; a layer of the unit itself where that is possible
  std::optional<CopyStream> copies_;  // from there to the unit, where it is not in host memory
};

// The unit as it would be loaded again if it were stored: itself, unless the layout loses
// something; then another, whose bits are those of the stored one. So a unit is the same wherever
// it comes from. kInvalidArgument when the layout cannot hold its values. Throws c10::Error without
// memory.
Result<UnitPtr> AsStored(UnitPtr unit, std::string_view kv_layout);

// Writes the unit, as it was computed, as a blob and commits it; the blob's bytes. OK when it is
// stored already. Thread safe. kBusy while another writer is storing it: no failure.
Result<uint64_t> StoreUnit(BlobStore& store, const Unit& unit, const StoreFormat& format,
                           const std::vector<Import>& imports = {});

}  // namespace promptcache
