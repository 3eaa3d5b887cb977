// Packs, and manifests of packs behind the 8 bytes of where the bodies end. A pack loses its
// signature and gets the digest that fits, because a fuzzer does not find one.
#include <cstdlib>
#include <string>
#include <string_view>

#include "cachestore/format/blob_io.h"
#include "cachestore/pack/contents.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/unit/cachestore/pack_in_memory.h"

namespace {

using namespace promptcache;

void Require(bool condition) {
  if (!condition) std::abort();
}

void FuzzManifest(std::string_view bytes) {
  if (bytes.size() < 8) return;
  uint64_t end = 0;
  for (size_t i = 0; i < 8; ++i) end |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  bytes.remove_prefix(8);
  const auto manifest = DecodePackManifest(bytes, end);
  if (!manifest.ok()) return;
  Require(EncodePackManifest(*manifest) == bytes);
  const std::vector<Content> contents = ContentsOf(*manifest);
  Require(DiffContents(contents, contents).same == contents.size());
}

void FuzzPack(std::vector<uint8_t> bytes) {
  const auto prefix = ParsePackPrefix(bytes, bytes.size());
  if (!prefix.ok()) return;
  const std::string manifest(bytes.begin() + static_cast<ptrdiff_t>(prefix->manifest_offset),
                             bytes.end());
  const auto encoded = EncodePackPrefix({.manifest_offset = prefix->manifest_offset,
                                         .manifest_bytes = prefix->manifest_bytes,
                                         .digest = PackDigest(prefix->manifest_offset, manifest)});
  std::copy(encoded.begin(), encoded.end(), bytes.begin());
  const auto pack = testing::OpenPack(bytes);
  if (!pack.ok()) return;
  for (const PackBlob& blob : pack->manifest().blobs) {
    size_t copied = 0;
    const Status status = pack->CopyBlob(blob, [&](std::span<const uint8_t> piece) {
      copied += piece.size();
      return Status();
    });
    Require(copied == blob.body.bytes || !status.ok());
    (void)ReadBlobHeader(*pack->OpenBlob(blob));
  }
  (void)pack->Verify();
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("PCPK")) {
    FuzzPack({data, data + size});
  } else {
    FuzzManifest(text);
  }
  return 0;
}
