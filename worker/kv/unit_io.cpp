#include "worker/kv/unit_io.h"

#include <ATen/ATen.h>

#include "cachestore/format/blob.h"
#include "cachestore/format/blob_io.h"

namespace promptcache {
namespace {

Result<BlobDtype> BlobDtypeOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return BlobDtype::kFloat32;
    case at::kBFloat16:
      return BlobDtype::kBfloat16;
    case at::kHalf:
      return BlobDtype::kFloat16;
    default:
      return Internal("a compute dtype that blobs do not have");
  }
}

BlobShape BlobShapeOf(const ModelShape& shape, uint32_t rows) {
  return {.layers = static_cast<uint32_t>(shape.layers),
          .kv_heads = static_cast<uint32_t>(shape.kv_heads),
          .tokens = rows,
          .head_dim = static_cast<uint32_t>(shape.head_dim)};
}

Status CheckHeader(const BlobHeader& header, const UnitExpectation& expected) {
  PC_RETURN_IF_ERROR(CheckIdentity(header, *expected.identity));
  if (header.recipe_digest != expected.digest) {
    return DataLoss("the blob is of another recipe than its key");
  }
  PC_ASSIGN_OR_RETURN(const BlobDtype dtype,
                      BlobDtypeOf(c10::typeMetaToScalarType(expected.options.dtype())));
  return CheckShape(header, dtype, BlobShapeOf(expected.shape, expected.recipe->rows()));
}

// One layer of a host tensor as bytes. kv: [layers, 2, kv_heads, tokens, head_dim], contiguous,
// cpu.
std::span<uint8_t> LayerBytes(const at::Tensor& kv, int64_t layer) {
  const at::Tensor one = kv.select(0, layer);
  return {static_cast<uint8_t*>(one.data_ptr()), static_cast<size_t>(one.nbytes())};
}

Status ReadLayers(BlobReader& reader, const BlobHeader& header, const at::Tensor& kv) {
  for (size_t layer = 0; layer < header.segments.size(); ++layer) {
    const std::span<uint8_t> into = LayerBytes(kv, static_cast<int64_t>(layer));
    if (into.size() != header.segments[layer].length) {
      return DataLoss("a segment has another length than its layer");
    }
    PC_RETURN_IF_ERROR(reader.Read(header.segments[layer].offset, into));
    PC_RETURN_IF_ERROR(VerifySegment(header, layer, into));
  }
  return {};
}

Result<UnitPtr> ReadUnit(BlobReader& reader, const UnitExpectation& expected) {
  PC_ASSIGN_OR_RETURN(const BlobHeader header, ReadBlobHeader(reader));
  PC_RETURN_IF_ERROR(CheckHeader(header, expected));
  const ModelShape& shape = expected.shape;
  at::Tensor kv =
      at::empty({shape.layers, 2, shape.kv_heads, int64_t{expected.recipe->rows()}, shape.head_dim},
                expected.options.device(at::kCPU));
  PC_RETURN_IF_ERROR(ReadLayers(reader, header, kv));
  auto unit = std::make_shared<Unit>();
  unit->key = expected.key;
  unit->digest = expected.digest;
  unit->recipe = expected.recipe;
  unit->positions = unit->recipe->RowPositions();
  unit->bytes = kv.nbytes();
  unit->kv = kv.to(expected.options.device());
  unit->encode_seconds = header.encode_seconds;
  return UnitPtr(std::move(unit));
}

}  // namespace

Result<UnitPtr> LoadUnit(BlobStore& store, const UnitExpectation& expected) {
  PC_ASSIGN_OR_RETURN(const auto reader, store.Open(expected.key));
  try {
    auto unit = ReadUnit(*reader, expected);
    if (!unit.ok() && unit.status().code() == Code::kDataLoss) {
      const Status told = store.ReportCorrupt(expected.key);
      if (!told.ok()) return DataLoss(unit.status().message() + " (" + told.message() + ")");
    }
    return unit;
  } catch (const std::exception& error) {
    return ResourceExhausted(std::string("no memory for a unit: ") + error.what());
  }
}

Status StoreUnit(BlobStore& store, const Unit& unit, const Identity& identity,
                 const std::vector<Import>& imports) {
  try {
    const at::Tensor kv = unit.kv.to(at::kCPU).contiguous();
    BlobHeader header;
    header.identity = identity;
    header.recipe = *unit.recipe;
    PC_ASSIGN_OR_RETURN(header.dtype, BlobDtypeOf(kv.scalar_type()));
    header.shape = {.layers = static_cast<uint32_t>(kv.size(0)),
                    .kv_heads = static_cast<uint32_t>(kv.size(2)),
                    .tokens = static_cast<uint32_t>(kv.size(3)),
                    .head_dim = static_cast<uint32_t>(kv.size(4))};
    header.encode_seconds = unit.encode_seconds;
    std::vector<std::span<const uint8_t>> layers;
    for (int64_t layer = 0; layer < kv.size(0); ++layer) layers.push_back(LayerBytes(kv, layer));
    return WriteBlob(store, {unit.key, imports}, std::move(header), layers).status();
  } catch (const std::exception& error) {
    return ResourceExhausted(std::string("a unit cannot be written: ") + error.what());
  }
}

}  // namespace promptcache
