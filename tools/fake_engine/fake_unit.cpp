#include "tools/fake_engine/fake_unit.h"

#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "cachestore/format/blob_io.h"
#include "common/clock.h"
#include "tools/fake_engine/mix.h"

namespace promptcache {
namespace {

constexpr BlobDtype kDtype = BlobDtype::kFloat16;
constexpr uint32_t kLayers = 2;
constexpr uint64_t kBytesOfDim = 2 * kLayers * 2;  // keys and values of fp16

BlobShape ShapeOf(const FakeFormat& format, uint32_t rows) {
  return {.layers = kLayers,
          .kv_heads = 1,
          .tokens = rows,
          .head_dim = static_cast<uint32_t>(format.kv_bytes_per_token / kBytesOfDim)};
}

FakeUnitPtr MakeUnit(const UnitKey& key, const KnownRecipePtr& known, std::vector<uint8_t> kv,
                     double encode_seconds) {
  auto unit = std::make_shared<FakeUnit>();
  unit->key = key;
  unit->digest = known->digest;
  unit->bytes = kv.size();
  unit->known = known;
  unit->hash = Xxh3_128(kv);
  unit->kv = std::move(kv);
  unit->encode_seconds = encode_seconds;
  return unit;
}

Status CheckHeader(const BlobHeader& header, const FakeFormat& format, const KnownRecipe& known) {
  PC_RETURN_IF_ERROR(CheckIdentity(header, format.identity));
  if (header.recipe_digest != known.digest) {
    return DataLoss("the blob is of another recipe than its key");
  }
  return CheckShape(header, kDtype, ShapeOf(format, known.recipe.rows()));
}

Result<FakeUnitPtr> ReadUnit(BlobReader& reader, const FakeFormat& format, const UnitKey& key,
                             const KnownRecipePtr& known) {
  PC_ASSIGN_OR_RETURN(const BlobHeader header, ReadBlobHeader(reader));
  PC_RETURN_IF_ERROR(CheckHeader(header, format, *known));
  std::vector<uint8_t> kv(known->recipe.rows() * format.kv_bytes_per_token);
  const size_t layer = kv.size() / kLayers;
  for (size_t i = 0; i < kLayers; ++i) {
    PC_RETURN_IF_ERROR(ReadLayer(reader, header, i, std::span(kv).subspan(i * layer, layer)));
  }
  return MakeUnit(key, known, std::move(kv), header.encode_seconds);
}

}  // namespace

Result<FakeFormat> FakeFormat::Make(Identity identity, BlobEncoding encoding,
                                    uint64_t kv_bytes_per_token) {
  if (kv_bytes_per_token == 0 || kv_bytes_per_token % kBytesOfDim != 0) {
    return InvalidArgument(
        "bytes of a token's keys and values: " + std::to_string(kv_bytes_per_token) +
        ", not a multiple of " + std::to_string(kBytesOfDim));
  }
  if (identity.kv_layout != kBlobLayout) {
    return InvalidArgument("a fake engine stores units as 'none' or 'zstd'");
  }
  const IdentityDigest digest = identity.Digest();
  return FakeFormat{std::move(identity), digest, encoding, kv_bytes_per_token};
}

FakeUnitPtr EncodeFakeUnit(const FakeFormat& format, const UnitKey& key,
                           const KnownRecipePtr& known) {
  const SteadyTime start = SystemClock().Now();
  std::vector<uint8_t> kv(known->recipe.rows() * format.kv_bytes_per_token);
  uint64_t state = known->digest.Head();
  for (size_t i = 0; i < kv.size(); i += sizeof state) {
    state = Mix(state, i);
    std::memcpy(&kv[i], &state, sizeof state);
  }
  return MakeUnit(key, known, std::move(kv),
                  MillisecondsBetween(start, SystemClock().Now()) / 1000);
}

Result<FakeUnitPtr> LoadFakeUnit(BlobStore& store, const FakeFormat& format, const UnitKey& key,
                                 const KnownRecipePtr& known) {
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<BlobReader> reader, store.Open(key));
  Result<FakeUnitPtr> unit = ReadUnit(*reader, format, key, known);
  const Code code = unit.status().code();
  if (code == Code::kDataLoss || code == Code::kFailedPrecondition) {
    (void)store.ReportCorrupt(key).ok();  // who reads next finds the same
  }
  return unit;
}

Status StoreFakeUnit(BlobStore& store, const FakeFormat& format, const FakeUnit& unit,
                     const std::vector<Import>& imports) {
  BlobHeader header;
  header.identity = format.identity;
  header.encoding = format.encoding;
  header.recipe = unit.known->recipe;
  header.dtype = kDtype;
  header.shape = ShapeOf(format, unit.known->recipe.rows());
  header.encode_seconds = unit.encode_seconds;
  const size_t layer = unit.kv.size() / kLayers;
  std::vector<std::span<const uint8_t>> layers;
  for (size_t i = 0; i < kLayers; ++i) {
    layers.push_back(std::span(unit.kv).subspan(i * layer, layer));
  }
  return WriteBlob(store, {unit.key, imports}, std::move(header), layers).status();
}

}  // namespace promptcache
