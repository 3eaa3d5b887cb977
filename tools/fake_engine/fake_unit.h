// Units of the fake engine: blobs like any other, whose bytes follow from their recipe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "cachestore/format/blob.h"
#include "cachestore/store.h"
#include "common/hash.h"
#include "common/references.h"
#include "common/status.h"
#include "worker/engine/known_recipe.h"
#include "worker/kv/kept_unit.h"

namespace promptcache {

// Immutable; alive while anyone holds it.
struct FakeUnit : KeptUnit {
  KnownRecipePtr known;
  std::vector<uint8_t> kv;
  Hash128 hash;  // of kv: what answers depend on
  double encode_seconds = 0;
};
using FakeUnitPtr = std::shared_ptr<const FakeUnit>;

// What units are stored as.
struct FakeFormat {
  // kInvalidArgument unless `kv_bytes_per_token` is a multiple of 8.
  static Result<FakeFormat> Make(Identity identity, BlobEncoding encoding,
                                 uint64_t kv_bytes_per_token);

  Identity identity;
  IdentityDigest digest;
  BlobEncoding encoding = BlobEncoding::kPlain;
  uint64_t kv_bytes_per_token = 0;
};

// The same bytes for a recipe everywhere. `key`: of the recipe.
FakeUnitPtr EncodeFakeUnit(const FakeFormat& format, const UnitKey& key,
                           const KnownRecipePtr& known);

// Every byte verified. kNotFound: not stored; kDataLoss, kFailedPrecondition: damaged or of another
// recipe, identity or shape than its key says (the store is told); else the errors of the store.
Result<FakeUnitPtr> LoadFakeUnit(BlobStore& store, const FakeFormat& format, const UnitKey& key,
                                 const KnownRecipePtr& known);

// OK when it is stored already. The errors of WriteBlob.
Status StoreFakeUnit(BlobStore& store, const FakeFormat& format, const FakeUnit& unit,
                     const std::vector<Import>& imports);

}  // namespace promptcache
