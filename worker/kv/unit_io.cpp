#include "worker/kv/unit_io.h"

#include <ATen/ATen.h>

#include "cachestore/format/blob.h"
#include "cachestore/format/blob_io.h"
#include "cachestore/format/int8_layout.h"

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

// A host tensor as bytes. REQUIRES: contiguous.
std::span<uint8_t> BytesOf(const at::Tensor& tensor) {
  return {static_cast<uint8_t*>(tensor.data_ptr()), static_cast<size_t>(tensor.nbytes())};
}

BlobShape BlobShapeOf(const at::Tensor& kv) {
  return {.layers = static_cast<uint32_t>(kv.size(0)),
          .kv_heads = static_cast<uint32_t>(kv.size(2)),
          .tokens = static_cast<uint32_t>(kv.size(3)),
          .head_dim = static_cast<uint32_t>(kv.size(4))};
}

// Into int8 and back, a layer at a time. `kv`: contiguous, host.
Status RoundToInt8(const at::Tensor& kv) {
  PC_ASSIGN_OR_RETURN(const BlobDtype dtype, BlobDtypeOf(kv.scalar_type()));
  const BlobShape shape = BlobShapeOf(kv);
  PC_ASSIGN_OR_RETURN(const uint64_t bytes, Int8SegmentBytes(dtype, shape));
  std::vector<uint8_t> segment(bytes);
  for (int64_t i = 0; i < kv.size(0); ++i) {
    const std::span<uint8_t> layer = BytesOf(kv.select(0, i));
    PC_RETURN_IF_ERROR(QuantizeLayer(dtype, shape, layer, segment));
    PC_RETURN_IF_ERROR(DequantizeLayer(dtype, shape, segment, layer));
  }
  return {};
}

}  // namespace

UnitLoad::UnitLoad(BlobStore& store, UnitExpectation expected)
    : store_(store), expected_(std::move(expected)) {}

UnitLoad::~UnitLoad() {
  if (arrival_ && next_ < header_.segments.size()) {
    arrival_->Fail(Cancelled("the unit is not loaded any more"));
  }
}

Result<UnitPtr> UnitLoad::Start() {
  try {
    Result<UnitPtr> unit = OpenUnit();
    if (!unit.ok()) return Failed(unit.status());
    unit_ = *unit;
    return unit;
  } catch (const std::exception& error) {
    return ResourceExhausted(std::string("no memory for a unit: ") + error.what());
  }
}

Result<UnitPtr> UnitLoad::OpenUnit() {
  PC_ASSIGN_OR_RETURN(reader_, store_.Open(expected_.key));
  PC_ASSIGN_OR_RETURN(header_, ReadBlobHeader(*reader_));
  PC_RETURN_IF_ERROR(CheckHeader(header_, expected_));
  const ModelShape& shape = expected_.shape;
  auto unit = std::make_shared<Unit>();
  unit->key = expected_.key;
  unit->digest = expected_.digest;
  unit->recipe = expected_.recipe;
  unit->positions = unit->recipe->RowPositions();
  unit->kv =
      at::empty({shape.layers, 2, shape.kv_heads, int64_t{unit->recipe->rows()}, shape.head_dim},
                expected_.options);
  if (!unit->kv.is_cpu()) copies_.emplace(unit->kv.device());
  unit->bytes = unit->kv.nbytes();
  unit->encode_seconds = header_.encode_seconds;
  arrival_ = std::make_shared<LayerArrival>();
  unit->arrival = arrival_;
  return UnitPtr(std::move(unit));
}

Result<bool> UnitLoad::ReadLayer() {
  try {
    const Status status = ReadNext();
    if (!status.ok()) return Failed(status);
  } catch (const std::exception& error) {
    return Failed(ResourceExhausted(std::string("no memory for a unit: ") + error.what()));
  }
  ++next_;
  arrival_->Add();
  return next_ == header_.segments.size();
}

Status UnitLoad::ReadNext() {
  const at::Tensor layer = unit_->kv.select(0, static_cast<int64_t>(next_));
  if (layer.is_cpu()) {
    host_ = layer;
  } else if (!host_.defined()) {
    host_ = at::empty(layer.sizes(), layer.options().device(at::kCPU));
  }
  PC_RETURN_IF_ERROR(promptcache::ReadLayer(*reader_, header_, next_, BytesOf(host_)));
  if (copies_) copies_->Copy(layer, host_);
  return {};
}

Status UnitLoad::Failed(Status status) {
  // A reader of this key was given a blob that another key should have named.
  const bool misplaced = reader_ != nullptr && status.code() == Code::kFailedPrecondition;
  if (misplaced || status.code() == Code::kDataLoss) {
    const Status told = store_.ReportCorrupt(expected_.key);
    if (!told.ok()) status = Status(status.code(), status.message() + " (" + told.message() + ")");
  }
  if (arrival_) arrival_->Fail(status);
  arrival_ = nullptr;
  return status;
}

Result<UnitPtr> AsStored(UnitPtr unit, std::string_view kv_layout) {
  if (kv_layout != kInt8Layout) return unit;
  auto stored = std::make_shared<Unit>(*unit);
  const at::Tensor host =
      at::empty(unit->kv.sizes(), unit->kv.options().device(at::kCPU)).copy_(unit->kv);
  PC_RETURN_IF_ERROR(RoundToInt8(host));
  stored->kv = host.to(unit->kv.device());
  return UnitPtr(std::move(stored));
}

Result<uint64_t> StoreUnit(BlobStore& store, const Unit& unit, const StoreFormat& format,
                           const std::vector<Import>& imports) {
  try {
    const at::Tensor kv = unit.kv.to(at::kCPU).contiguous();
    BlobHeader header;
    header.identity = format.identity;
    header.encoding = format.encoding;
    header.recipe = *unit.recipe;
    PC_ASSIGN_OR_RETURN(header.dtype, BlobDtypeOf(kv.scalar_type()));
    header.shape = BlobShapeOf(kv);
    header.encode_seconds = unit.encode_seconds;
    std::vector<std::span<const uint8_t>> layers;
    for (int64_t layer = 0; layer < kv.size(0); ++layer) {
      layers.push_back(BytesOf(kv.select(0, layer)));
    }
    return WriteBlob(store, {unit.key, imports}, std::move(header), layers);
  } catch (const std::exception& error) {
    return ResourceExhausted(std::string("a unit cannot be written: ") + error.what());
  }
}

}  // namespace promptcache
