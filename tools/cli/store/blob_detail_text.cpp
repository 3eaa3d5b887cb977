#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "cachestore/catalog/catalog.h"
#include "tools/cli/store/blob_detail.h"
#include "tools/cli/store/blob_list.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

constexpr size_t kBytesPerLine = 16;
constexpr size_t kShownIds = 64;

std::string HexOf(std::span<const uint8_t> bytes) {
  std::string hex;
  for (const uint8_t byte : bytes) hex += fmt::format("{:02x}", byte);
  return hex;
}

json TokensToJson(const Tokens& tokens) {
  return {{"ids", tokens.ids}, {"positions", tokens.positions}};
}

json SegmentsToJson(const BlobDetail& detail) {
  json segments = json::array();
  for (size_t i = 0; i < detail.header.segments.size(); ++i) {
    const BlobSegment& segment = detail.header.segments[i];
    segments.push_back({{"layer", i},
                        {"offset", segment.offset},
                        {"bytes", segment.length},
                        {"xxh3_128", segment.hash.ToHex()},
                        {"plain_xxh3_128", segment.plain_hash.ToHex()}});
    if (!detail.recomputed.empty()) segments.back()["recomputed"] = detail.recomputed[i];
  }
  return segments;
}

std::string RenderUse(const BlobInfo& info) {
  std::string out;
  Table table({{"unit of"}, {"last import (UTC)"}, {"kept for"}});
  for (const BlobReference& one : info.use.references) {
    const Lifetime& lifetime = one.lifetime;
    std::string kept = "while there is room";
    if (lifetime.ttl_ms > 0) kept = FormatSpan(static_cast<double>(lifetime.ttl_ms) / 1000);
    if (lifetime.pinned) kept = "pinned";
    table.AddRow({ReferenceText(one.reference), FormatUtc(one.imported_unix_ms), kept});
  }
  return table.Render();
}

std::string RenderFields(const BlobDetail& detail) {
  const BlobInfo& info = detail.info;
  const BlobHeader& header = detail.header;
  Table table({{"field"}, {"value"}});
  table.AddRow({"key", info.key.ToHex()});
  table.AddRow({"recipe", info.recipe.ToHex()});
  table.AddRow({"mode", std::string(EncodingModeName(info.mode))});
  table.AddRow({"tokens", std::to_string(info.tokens)});
  table.AddRow({"context tokens", std::to_string(info.context_tokens)});
  table.AddRow({"committed (UTC)", FormatUtc(info.committed_unix_ms)});
  table.AddRow({"last use (UTC)", FormatUtc(info.use.used_unix_ms)});
  table.AddRow({"imports", std::to_string(info.use.imports)});
  table.AddRow({"encoded in", FormatMs(info.encode_seconds * 1000)});
  table.AddRow({"encoding saved", FormatMs(SavedSeconds(info) * 1000)});
  table.AddRow({"pinned", info.use.pinned ? "by an operator" : IsPinned(info.use) ? "yes" : "no"});
  table.AddRow({"tier", "disk"});
  table.AddRow({"identity", info.identity.Digest().ToHex()});
  table.AddRow({"  weights", info.identity.weights});
  table.AddRow({"  tokenizer", info.identity.tokenizer});
  table.AddRow({"  positions", info.identity.positions});
  table.AddRow({"  dtype", info.identity.dtype});
  table.AddRow({"  kv layout", info.identity.kv_layout});
  table.AddRow({"  encoder", info.identity.encoder});
  table.AddRow(
      {"layout", fmt::format("{} layers, {} KV heads, {} tokens, {} dimensions, {}",
                             header.shape.layers, header.shape.kv_heads, header.shape.tokens,
                             header.shape.head_dim, BlobDtypeName(header.dtype))});
  table.AddRow({"  stored as", std::string(BlobEncodingName(header.encoding))});
  table.AddRow({"  header", fmt::format("bytes 0 to {}", header.data_offset)});
  table.AddRow({"  whole blob", fmt::format("{} bytes", header.total_bytes)});
  return table.Render();
}

std::string RenderText(const BlobDetail& detail) {
  if (detail.text) return fmt::format("text ({}):\n{}\n", detail.text_source, *detail.text);
  const auto& ids = detail.header.recipe.own.ids;
  const std::span<const TokenId> shown(ids.data(), std::min(ids.size(), kShownIds));
  return fmt::format("own tokens ({}): {}{}\n", detail.text_source, fmt::join(shown, " "),
                     shown.size() < ids.size() ? " ..." : "");
}

std::string RenderSegments(const BlobDetail& detail) {
  Table table({{"layer", Align::kRight},
               {"offset", Align::kRight},
               {"bytes", Align::kRight},
               {"XXH3-128"},
               {detail.recomputed.empty() ? "" : "read"}});
  for (size_t i = 0; i < detail.header.segments.size(); ++i) {
    const BlobSegment& segment = detail.header.segments[i];
    std::string read;
    if (!detail.recomputed.empty()) {
      const std::string& hash = detail.recomputed[i];
      read = hash == segment.hash.ToHex() ? "the same" : hash.empty() ? "DAMAGED" : hash;
    }
    table.AddRow({std::to_string(i), std::to_string(segment.offset), std::to_string(segment.length),
                  segment.hash.ToHex(), read});
  }
  return table.Render();
}

}  // namespace

std::string HexDump(const std::vector<uint8_t>& bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += kBytesPerLine) {
    const std::span<const uint8_t> line(bytes.data() + at,
                                        std::min(kBytesPerLine, bytes.size() - at));
    std::string hex;
    std::string ascii;
    for (const uint8_t byte : line) {
      hex += fmt::format("{:02x} ", byte);
      ascii += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
    }
    out += fmt::format("{:08x}  {:<{}} {}\n", at, hex, 3 * kBytesPerLine, ascii);
  }
  return out;
}

json DetailToJson(const BlobDetail& detail) {
  const BlobHeader& header = detail.header;
  json out = BlobToJson(detail.info);
  json hidden = json::array();
  for (const RowRange& range : header.recipe.hidden) hidden.push_back({range.first, range.rows});
  out["recipe_text"] = detail.text ? json(*detail.text) : json();
  out["recipe_text_source"] = detail.text_source;
  out["recipe_tokens"] = {{"own", TokensToJson(header.recipe.own)},
                          {"context", TokensToJson(header.recipe.context)},
                          {"hidden", std::move(hidden)}};
  out["layout"] = {{"dtype", std::string(BlobDtypeName(header.dtype))},
                   {"layers", header.shape.layers},
                   {"kv_heads", header.shape.kv_heads},
                   {"tokens", header.shape.tokens},
                   {"head_dim", header.shape.head_dim},
                   {"encoding", std::string(BlobEncodingName(header.encoding))},
                   {"data_offset", header.data_offset},
                   {"total_bytes", header.total_bytes}};
  out["head_hex"] = HexOf(detail.head);
  out["segments"] = SegmentsToJson(detail);
  if (!detail.recomputed.empty()) out["intact"] = IsIntact(detail);
  for (const LayerNorms& norms : detail.norms) {
    out["norms"].push_back({{"key", norms.key}, {"value", norms.value}});
  }
  return out;
}

std::string RenderDetail(const BlobDetail& detail) {
  std::string out = RenderFields(detail) + "\n";
  if (!detail.info.use.references.empty()) out += RenderUse(detail.info) + "\n";
  out += RenderText(detail) + "\n" + RenderSegments(detail);
  if (!detail.norms.empty()) out += "\n" + RenderNorms(detail.norms);
  if (!detail.head.empty()) out += "\n" + HexDump(detail.head);
  return out;
}

}  // namespace promptcache
