#include "tools/cli/store/blob_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cachestore/catalog/catalog.h"
#include "cachestore/format/blob.h"
#include "tools/cli/render.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

struct Totals {
  uint64_t bytes = 0;
  uint64_t tokens = 0;
  double encode_seconds = 0;
  double saved_seconds = 0;
};

Totals TotalsOf(const std::vector<BlobInfo>& blobs) {
  Totals totals;
  for (const BlobInfo& blob : blobs) {
    totals.bytes += blob.bytes;
    totals.tokens += blob.tokens;
    totals.encode_seconds += blob.encode_seconds;
    totals.saved_seconds += SavedSeconds(blob);
  }
  return totals;
}

std::string SpanSince(uint64_t unix_ms, uint64_t now_unix_ms) {
  return FormatSpan(static_cast<double>(now_unix_ms - std::min(unix_ms, now_unix_ms)) / 1000);
}

// "support/policies", and how many more there are.
std::string UnitName(const BlobInfo& blob) {
  const auto& references = blob.use.references;
  if (references.empty()) return "-";
  std::string name = references.front().reference.module;
  if (references.size() > 1) name += fmt::format(" +{}", references.size() - 1);
  return name;
}

// "bf16", and the layout where it is not the one that keeps the dtype.
std::string DtypeOf(const Identity& identity) {
  if (identity.kv_layout == kBlobLayout) return identity.dtype;
  return identity.dtype + " " + identity.kv_layout;
}

// So that more comes first.
double Amount(BlobOrder order, const BlobInfo& blob) {
  switch (order) {
    case BlobOrder::kSize:
      return static_cast<double>(blob.bytes);
    case BlobOrder::kAge:
      return -static_cast<double>(blob.committed_unix_ms);
    case BlobOrder::kUsed:
      return static_cast<double>(blob.use.used_unix_ms);
    case BlobOrder::kSaved:
      return SavedSeconds(blob);
    case BlobOrder::kTokens:
      return blob.tokens;
    case BlobOrder::kKey:
    case BlobOrder::kSchema:
      return 0;
  }
  return 0;
}

// What nobody uses comes last.
auto ByReference(const BlobInfo& blob) {
  const auto& references = blob.use.references;
  const Reference first = references.empty() ? Reference{} : references.front().reference;
  return std::tuple(references.empty(), first.schema, first.module, first.version, blob.key);
}

}  // namespace

std::vector<BlobInfo> FilterBlobs(const BlobFilter& filter, std::vector<BlobInfo> blobs) {
  std::erase_if(blobs, [&](const BlobInfo& blob) {
    return !IsSelected(filter.selector, blob) || !blob.identity.weights.starts_with(filter.model) ||
           (filter.pinned && !IsPinned(blob.use));
  });
  return blobs;
}

void SortBlobs(BlobOrder order, std::vector<BlobInfo>& blobs) {
  std::sort(blobs.begin(), blobs.end(), [&](const BlobInfo& a, const BlobInfo& b) {
    if (order == BlobOrder::kSchema) return ByReference(a) < ByReference(b);
    return std::pair(-Amount(order, a), a.key) < std::pair(-Amount(order, b), b.key);
  });
}

double SavedSeconds(const BlobInfo& blob) {
  return static_cast<double>(blob.use.imports) * blob.encode_seconds;
}

json ReferenceToJson(const Reference& reference) {
  return {{"tenant", reference.tenant},
          {"schema", reference.schema},
          {"version", reference.version},
          {"module", reference.module}};
}

json BlobToJson(const BlobInfo& blob) {
  json references = json::array();
  for (const BlobReference& one : blob.use.references) {
    json reference = ReferenceToJson(one.reference);
    reference["ttl_seconds"] = static_cast<double>(one.lifetime.ttl_ms) / 1000;
    reference["pinned"] = one.lifetime.pinned;
    reference["imported_unix_ms"] = one.imported_unix_ms;
    references.push_back(std::move(reference));
  }
  return {{"key", blob.key.ToHex()},
          {"recipe", blob.recipe.ToHex()},
          {"identity", IdentityToJson(blob.identity)},
          {"mode", std::string(EncodingModeName(blob.mode))},
          {"tier", "disk"},
          {"bytes", blob.bytes},
          {"tokens", blob.tokens},
          {"context_tokens", blob.context_tokens},
          {"committed_unix_ms", blob.committed_unix_ms},
          {"encode_seconds", blob.encode_seconds},
          {"saved_seconds", SavedSeconds(blob)},
          {"used_unix_ms", blob.use.used_unix_ms},
          {"imports", blob.use.imports},
          {"pinned", IsPinned(blob.use)},
          {"pinned_by_operator", blob.use.pinned},
          {"references", std::move(references)}};
}

json BlobsToJson(const std::vector<BlobInfo>& blobs) {
  json list = json::array();
  for (const BlobInfo& blob : blobs) list.push_back(BlobToJson(blob));
  const Totals totals = TotalsOf(blobs);
  return {{"blobs", std::move(list)},
          {"totals",
           {{"blobs", blobs.size()},
            {"bytes", totals.bytes},
            {"tokens", totals.tokens},
            {"encode_seconds", totals.encode_seconds},
            {"saved_seconds", totals.saved_seconds}}}};
}

std::string RenderBlobs(const std::vector<BlobInfo>& blobs, uint64_t now_unix_ms) {
  Table table({{"key"},
               {"unit"},
               {"model"},
               {"dtype"},
               {"tier"},
               {"tokens", Align::kRight},
               {"size", Align::kRight},
               {"age", Align::kRight},
               {"last use", Align::kRight},
               {"imports", Align::kRight},
               {"encoded in", Align::kRight},
               {"saved", Align::kRight},
               {"pinned"}});
  for (const BlobInfo& blob : blobs) {
    table.AddRow({FormatDigest(blob.key), UnitName(blob), blob.identity.weights.substr(0, 8),
                  DtypeOf(blob.identity), "disk", std::to_string(blob.tokens),
                  FormatBytes(blob.bytes), SpanSince(blob.committed_unix_ms, now_unix_ms),
                  SpanSince(blob.use.used_unix_ms, now_unix_ms), std::to_string(blob.use.imports),
                  FormatMs(blob.encode_seconds * 1000), FormatMs(SavedSeconds(blob) * 1000),
                  IsPinned(blob.use) ? "pinned" : ""});
  }
  const Totals totals = TotalsOf(blobs);
  return table.Render() +
         fmt::format("{} blobs, {} tokens, {}; encoded in {}, {} of encoding saved\n", blobs.size(),
                     totals.tokens, FormatBytes(totals.bytes),
                     FormatMs(totals.encode_seconds * 1000), FormatMs(totals.saved_seconds * 1000));
}

}  // namespace promptcache
