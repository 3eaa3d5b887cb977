#include "cachestore/service/damage_reports.h"

#include "cachestore/format/blob_verifier.h"

namespace promptcache {
namespace {

constexpr uint64_t kPieceBytes = 1 << 20;

// kDataLoss for a blob that is damaged.
Status ReadThrough(BlobStore& blobs, const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(const std::unique_ptr<BlobReader> reader, blobs.Inspect(key));
  BlobVerifier verifier;
  for (uint64_t at = 0; at < reader->size() && verifier.good();) {
    PC_ASSIGN_OR_RETURN(const PinnedBytes piece, reader->ReadPinned(at, kPieceBytes));
    verifier.Append(piece.bytes);
    at += piece.bytes.size();
  }
  return verifier.Finish().status();
}

}  // namespace

Status DamageReports::LookInto(BlobStore& blobs, const UnitKey& key) {
  const std::unique_lock looking(looking_, std::try_to_lock);
  if (!looking) return Busy("another report of damage is looked into; the blob stays until then");
  const Status found = ReadThrough(blobs, key);
  if (found.code() == Code::kNotFound) return {};
  if (found.code() == Code::kDataLoss) return blobs.ReportCorrupt(key);
  PC_RETURN_IF_ERROR(found);
  return FailedPrecondition("unit " + key.ToHex() +
                            " is sound in the cachestore and stays: what was read of it was "
                            "damaged on its way");
}

}  // namespace promptcache
