#include "cachestore/disk/manifest.h"

#include <algorithm>
#include <cmath>

#include "cachestore/format/blob.h"
#include "cachestore/format/record_bytes.h"

namespace promptcache::internal {
namespace {

constexpr uint32_t kSharedFilesVersion = 1;
constexpr uint32_t kManifestVersion = 2;
constexpr uint32_t kUseVersion = 1;

BlobInfo ReadInfo(RecordReader& in, const UnitKey& key) {
  BlobInfo info{.key = key};
  info.bytes = in.Integer<uint64_t>();
  info.committed_unix_ms = in.Integer<uint64_t>();
  info.encode_seconds = in.Real();
  info.tokens = in.Integer<uint32_t>();
  info.context_tokens = in.Integer<uint32_t>();
  info.mode = static_cast<EncodingMode>(in.Integer<uint8_t>());
  info.recipe = in.Digest();
  info.identity = in.Fields();
  return info;
}

bool IsSane(const BlobInfo& info) {
  return info.mode >= EncodingMode::kAnchored && info.mode <= EncodingMode::kScaffoldSet &&
         info.bytes > 0 && info.bytes <= kMaxBlobBytes && std::isfinite(info.encode_seconds) &&
         info.encode_seconds >= 0;
}

}  // namespace

std::string EncodeManifest(const Manifest& manifest) {
  const BlobInfo& info = manifest.info;
  RecordWriter out;
  out.Integer(kManifestVersion);
  out.Integer(manifest.generation);
  out.Integer(info.bytes);
  out.Integer(info.committed_unix_ms);
  out.Real(info.encode_seconds);
  out.Integer(info.tokens);
  out.Integer(info.context_tokens);
  out.Integer(static_cast<uint8_t>(info.mode));
  out.Digest(info.recipe);
  out.Fields(info.identity);
  for (const ChunkRecord& chunk : manifest.chunks) {
    out.Hash(chunk.hash);
    out.Integer(chunk.file_offset);
  }
  return out.Finish();
}

Result<Manifest> DecodeManifest(const UnitKey& key, std::string_view bytes) {
  const std::string where = "manifest of unit " + key.ToHex() + ": ";
  PC_ASSIGN_OR_RETURN(RecordReader in, RecordReader::Checked(bytes, where));
  const auto version = in.Integer<uint32_t>();
  if (version != kManifestVersion && version != kSharedFilesVersion) {
    return FailedPrecondition(where + "version " + std::to_string(version) +
                              ", this build reads 1 and 2; use the version that wrote it");
  }
  Manifest manifest{.own_file = version == kManifestVersion};
  manifest.generation = in.Integer<uint64_t>();
  manifest.info = ReadInfo(in, key);
  const uint64_t chunk_bytes = manifest.own_file ? 24 : 16;
  if (!in.good() || !IsSane(manifest.info) || in.left() % chunk_bytes != 0 ||
      in.left() / chunk_bytes != ChunkCount(manifest.info.bytes)) {
    return DataLoss(where + "malformed");
  }
  while (in.left() > 0) {
    ChunkRecord& chunk = manifest.chunks.emplace_back();
    chunk.hash = in.Hash();
    if (manifest.own_file) chunk.file_offset = in.Integer<uint64_t>();
  }
  return manifest;
}

std::string EncodeUse(const BlobUse& use) {
  RecordWriter out;
  out.Integer(kUseVersion);
  out.Integer(use.used_unix_ms);
  out.Integer(use.imports);
  out.Real(use.weight);
  out.Integer(static_cast<uint8_t>(use.pinned));
  out.Integer(static_cast<uint32_t>(use.references.size()));
  for (const BlobReference& one : use.references) {
    for (const std::string* text : {&one.reference.tenant, &one.reference.schema,
                                    &one.reference.version, &one.reference.module}) {
      out.Text(*text);
    }
    out.Integer(one.lifetime.ttl_ms);
    out.Integer(static_cast<uint8_t>(one.lifetime.pinned));
    out.Integer(one.imported_unix_ms);
  }
  return out.Finish();
}

Result<BlobUse> DecodeUse(const UnitKey& key, std::string_view bytes) {
  const std::string where = "use of unit " + key.ToHex() + ": ";
  PC_ASSIGN_OR_RETURN(RecordReader in, RecordReader::Checked(bytes, where));
  if (const auto version = in.Integer<uint32_t>(); version != kUseVersion) {
    return DataLoss(where + "version " + std::to_string(version) + ", this build reads 1");
  }
  BlobUse use;
  use.used_unix_ms = in.Integer<uint64_t>();
  use.imports = in.Integer<uint64_t>();
  use.weight = in.Real();
  use.pinned = in.Integer<uint8_t>() != 0;
  const auto count = in.Integer<uint32_t>();
  for (uint32_t i = 0; i < count && in.good(); ++i) {
    BlobReference& one = use.references.emplace_back();
    for (std::string* text : {&one.reference.tenant, &one.reference.schema, &one.reference.version,
                              &one.reference.module}) {
      *text = in.Text();
    }
    one.lifetime.ttl_ms = in.Integer<uint64_t>();
    one.lifetime.pinned = in.Integer<uint8_t>() != 0;
    one.imported_unix_ms = in.Integer<uint64_t>();
  }
  const auto unsorted =
      std::adjacent_find(use.references.begin(), use.references.end(),
                         [](const auto& a, const auto& b) { return !(a.reference < b.reference); });
  if (!in.good() || in.left() > 0 || !std::isfinite(use.weight) || use.weight <= 0 ||
      unsorted != use.references.end()) {
    return DataLoss(where + "malformed");
  }
  return use;
}

}  // namespace promptcache::internal
