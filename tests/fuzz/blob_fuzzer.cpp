// What a cachestore reads back: a blob, a blob's header, a manifest and a use. The first byte
// chooses. All but the first get a checksum that fits, because a fuzzer does not find one.
#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "cachestore/disk/manifest.h"
#include "cachestore/format/blob_prefix.h"
#include "cachestore/format/blob_verifier.h"
#include "cachestore/format/segment_codec.h"
#include "tests/fuzz/fuzzer.h"

namespace {

using namespace promptcache;
using Bytes = std::span<const uint8_t>;

constexpr uint64_t kMaxLayerBytes = 1 << 20;

void Require(bool condition) {
  if (!condition) std::abort();
}

void FuzzBlob(Bytes bytes) {
  const Result<BlobHeader> whole = VerifyBlob(bytes);
  BlobVerifier verifier;
  for (size_t at = 0, piece = 1; at < bytes.size(); at += piece, piece = piece % 4099 + 63) {
    piece = std::min(piece, bytes.size() - at);
    verifier.Append(bytes.subspan(at, piece));
  }
  Require(verifier.Finish().ok() == whole.ok());
  if (!whole.ok()) return;
  for (size_t i = 0; i < whole->segments.size(); ++i) {
    const BlobSegment& segment = whole->segments[i];
    const Bytes stored = bytes.subspan(segment.offset, segment.length);
    Require(VerifySegment(*whole, i, stored).ok());
    const uint64_t layer_bytes = *BlobSegmentBytes(whole->dtype, whole->shape);
    if (layer_bytes > kMaxLayerBytes) continue;  // a header may claim what is not there
    std::vector<uint8_t> layer(layer_bytes);
    const Status status = DecodeSegment(*whole, i, stored, layer);
    Require(status.ok() || !StoresLayersAsTheyAre(*whole));
  }
}

void FuzzHeaderOf(uint32_t version, uint64_t total, Bytes raw) {
  const auto prefix =
      internal::EncodeBlobPrefix({.version = version,
                                  .header_bytes = raw.size(),
                                  .data_offset = internal::AlignUp(kBlobPrefixBytes + raw.size()),
                                  .total_bytes = total,
                                  .header_hash = Xxh3_128(raw)});
  std::vector<uint8_t> head(prefix.begin(), prefix.end());
  head.insert(head.end(), raw.begin(), raw.end());
  const Result<BlobHeader> header = ParseBlobHeader(head);
  if (!header.ok()) return;
  // What was accepted can be written and read again.
  BlobHeader again = *header;
  const auto written = EncodeBlobHeader(again);
  Require(written.ok());
  const auto reread = ParseBlobHeader(*written);
  Require(reread.ok() && *reread == again && again.recipe == header->recipe &&
          again.identity == header->identity && again.shape == header->shape);
}

// Eight bytes of total length, then the FlatBuffer.
void FuzzHeader(Bytes bytes) {
  if (bytes.size() < 8) return;
  uint64_t total = 0;
  for (size_t i = 0; i < 8; ++i) total |= uint64_t{bytes[i]} << (8 * i);
  for (uint32_t version = kOldestBlobVersion; version <= kBlobVersion; ++version) {
    FuzzHeaderOf(version, total, bytes.subspan(8, (bytes.size() - 8) / 8 * 8));
  }
}

// With a checksum that fits.
std::string RecordOf(Bytes bytes) {
  std::string text(bytes.begin(), bytes.end());
  const Hash128 hash = Xxh3_128(bytes);
  for (const uint64_t half : {hash.low, hash.high}) {
    for (size_t i = 0; i < 8; ++i) text.push_back(static_cast<char>(half >> (8 * i)));
  }
  return text;
}

void FuzzManifest(Bytes bytes) {
  const std::string text = RecordOf(bytes);
  const auto manifest = internal::DecodeManifest(UnitKey{}, text);
  // Version 1 is read, and never written.
  Require(!manifest.ok() || !manifest->own_file || internal::EncodeManifest(*manifest) == text);
}

void FuzzUse(Bytes bytes) {
  const auto use = internal::DecodeUse(UnitKey{}, RecordOf(bytes));
  if (!use.ok()) return;
  const auto again = internal::DecodeUse(UnitKey{}, internal::EncodeUse(*use));
  Require(again.ok() && *again == *use);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes rest(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      FuzzBlob(rest);
      break;
    case 1:
      FuzzHeader(rest);
      break;
    case 2:
      FuzzManifest(rest);
      break;
    default:
      FuzzUse(rest);
  }
  return 0;
}
