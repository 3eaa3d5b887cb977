// Everything there is to see of one blob.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/format/blob.h"
#include "cachestore/store.h"
#include "tools/cli/store/norms.h"

namespace promptcache {

struct BlobDetail {
  BlobInfo info;
  BlobHeader header;
  std::vector<uint8_t> head;        // the blob's first bytes
  std::optional<std::string> text;  // of the own tokens
  std::string text_source;          // "decoded", "the schema", or why there is none
  // Of each segment, when it was read: its hash, or empty when it cannot be read.
  std::vector<std::string> recomputed;
  std::vector<LayerNorms> norms;  // of each layer, when asked for
};

enum class Segments : uint8_t { kAsStored, kRecomputed };
enum class Norms : uint8_t { kNone, kComputed };
struct DetailOptions {
  uint64_t head_bytes = 0;
  Segments segments = Segments::kAsStored;
  Norms norms = Norms::kNone;
};

// Without the text. The errors of Inspect and ReadBlobHeader, and of ReadLayer for the norms.
Result<BlobDetail> ReadDetail(BlobStore& store, const BlobInfo& info, const DetailOptions& options);

// Whether every segment that was read has the hash that is stored.
bool IsIntact(const BlobDetail& detail);

nlohmann::json DetailToJson(const BlobDetail& detail);
std::string RenderDetail(const BlobDetail& detail);

// Sixteen bytes a line: offset, hex digits, what of it is ASCII.
std::string HexDump(const std::vector<uint8_t>& bytes);

}  // namespace promptcache
