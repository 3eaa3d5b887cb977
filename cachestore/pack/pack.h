// A pack: blobs and records in one file that can be carried to another store. cachestore/FORMAT.md
// is its document.
//
//   prefix (160 bytes) | blob | blob | ... | record | ... | manifest
//
// The manifest names every body with its length and BLAKE2b-256; the prefix has the digest of the
// manifest and, of a signed pack, the signature of that digest. So the signature covers every byte.
// The manifest is a plain binary record: everything in it has one form only, what was read and is
// written again gives the same bytes, and the digests need no text form.
//
// Bytes are taken for hostile. Everything here is pure and thread safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cachestore/store.h"
#include "common/signature.h"
#include "common/source_file.h"

namespace promptcache {

inline constexpr uint32_t kPackVersion = 1;
inline constexpr uint64_t kPackPrefixBytes = 160;
inline constexpr uint64_t kMaxPackManifestBytes = 64 << 20;

// Bytes of the file between prefix and manifest.
struct PackBody {
  uint64_t offset = 0;  // in the file; follows from the lengths of the bodies before
  uint64_t bytes = 0;
  Digest256 digest;  // BLAKE2b-256
  bool operator==(const PackBody&) const = default;
};

struct PackBlob {
  UnitKey key;
  PackBody body;
  Digest256 states;             // StatesDigest of its header
  std::vector<Import> imports;  // whose unit it was in the store it comes from
  bool operator==(const PackBlob&) const = default;
};

// An entry of the meta store; the body is its value.
struct PackRecord {
  std::string key;
  PackBody body;
  bool operator==(const PackRecord&) const = default;
};

// A question whose answer is known, to see that the blobs do here what they did there.
struct PackProbe {
  std::string model;  // its name there, for messages
  Identity identity;  // that computed the answer; with another one it proves nothing
  SourceFile schema;  // PML
  std::vector<SourceFile> sources;
  uint32_t max_tokens = 0;        // per text run of the schema; 0: no truncation
  std::string prompt;             // PML
  std::vector<TokenId> expected;  // greedily generated
  bool operator==(const PackProbe&) const = default;
};

struct PackManifest {
  uint64_t created_unix_ms = 0;
  std::vector<PackBlob> blobs;      // ascending keys
  std::vector<PackRecord> records;  // ascending keys
  std::optional<PackProbe> probe;
  bool operator==(const PackManifest&) const = default;
};

struct PackPrefix {
  uint64_t manifest_offset = 0;
  uint64_t manifest_bytes = 0;
  Digest256 digest;  // of the manifest and where it is
  std::optional<PublicKey> signer;
  Signature signature{};  // zeros without a signer
  bool operator==(const PackPrefix&) const = default;
};

std::string EncodePackManifest(const PackManifest& manifest);
// `end` is where the last body ends. kDataLoss unless the record is whole, in order and within its
// limits, and its bodies fill the file from the prefix to `end`.
Result<PackManifest> DecodePackManifest(std::string_view bytes, uint64_t end);

// The digest that the prefix has and the signer signs.
Digest256 PackDigest(uint64_t manifest_offset, std::string_view manifest);

std::array<uint8_t, kPackPrefixBytes> EncodePackPrefix(const PackPrefix& prefix);
// kDataLoss unless it is the prefix of a pack of `file_bytes` that this build reads.
Result<PackPrefix> ParsePackPrefix(std::span<const uint8_t> bytes, uint64_t file_bytes);

}  // namespace promptcache
