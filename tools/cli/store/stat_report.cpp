#include "tools/cli/store/stat_report.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/cli/store/blob_list.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

struct Group {
  uint64_t blobs = 0;
  uint64_t bytes = 0;
  uint64_t tokens = 0;
  double saved_seconds = 0;

  void Add(const BlobInfo& blob) {
    ++blobs;
    bytes += blob.bytes;
    tokens += blob.tokens;
    saved_seconds += SavedSeconds(blob);
  }
};
using Groups = std::map<std::string, Group>;

constexpr char kNoSchema[] = "-";

Groups BySchema(const std::vector<BlobInfo>& blobs) {
  Groups groups;
  for (const BlobInfo& blob : blobs) {
    std::set<std::string> names;
    for (const BlobReference& one : blob.use.references) names.insert(one.reference.schema);
    if (names.empty()) names.insert(kNoSchema);
    for (const std::string& name : names) groups[name].Add(blob);
  }
  return groups;
}

// Weights, dtype and layout together: what a reader must have to use the blobs.
Groups ByModel(const std::vector<BlobInfo>& blobs) {
  Groups groups;
  for (const BlobInfo& blob : blobs) {
    const Identity& identity = blob.identity;
    groups[identity.weights + " " + identity.dtype + " " + identity.kv_layout].Add(blob);
  }
  return groups;
}

json GroupsToJson(const Groups& groups, const char* name) {
  json list = json::array();
  for (const auto& [title, group] : groups) {
    list.push_back({{name, title},
                    {"blobs", group.blobs},
                    {"bytes", group.bytes},
                    {"tokens", group.tokens},
                    {"saved_seconds", group.saved_seconds}});
  }
  return list;
}

std::string RenderGroups(const Groups& groups, const char* name) {
  if (groups.empty()) return "";
  Table table({{name},
               {"units", Align::kRight},
               {"tokens", Align::kRight},
               {"size", Align::kRight},
               {"encoding saved", Align::kRight}});
  for (const auto& [title, group] : groups) {
    table.AddRow({title, std::to_string(group.blobs), std::to_string(group.tokens),
                  FormatBytes(group.bytes), FormatMs(group.saved_seconds * 1000)});
  }
  return "\n" + table.Render();
}

std::optional<double> Ratio(uint64_t part, uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

json RatioToJson(std::optional<double> ratio) { return ratio ? json(*ratio) : json(nullptr); }

std::string OfQuota(uint64_t bytes, uint64_t quota) {
  if (quota == 0) return FormatBytes(bytes) + ", no quota";
  return fmt::format("{}, {:.1f} % of {}", FormatBytes(bytes), 100 * *Ratio(bytes, quota),
                     FormatBytes(quota));
}

std::string RenderStats(const StoreStats& stats) {
  Table table({{"what"}, {"now"}});
  table.AddRow({"stored",
                fmt::format("{} units, {}", stats.blobs, OfQuota(stats.bytes, stats.quota_bytes))});
  table.AddRow({"pinned", OfQuota(stats.pinned_bytes, stats.pin_quota_bytes)});
  table.AddRow({"free on the disk", FormatBytes(stats.free_bytes)});
  table.AddRow({"writing", stats.read_only.empty() ? "possible" : "refused: " + stats.read_only});
  Table since({{"since the store was opened"}, {"", Align::kRight}});
  since.AddRow({"units put", std::to_string(stats.puts)});
  since.AddRow({"units opened", std::to_string(stats.gets)});
  const auto hit_ratio = HitRatio(stats);
  since.AddRow({"of these found",
                hit_ratio ? fmt::format("{} ({:.1f} %)", stats.hits, 100 * *hit_ratio) : "-"});
  since.AddRow({"made room for others", std::to_string(stats.evictions)});
  since.AddRow({"expired", std::to_string(stats.expirations)});
  since.AddRow({"damaged", std::to_string(stats.corruptions)});
  since.AddRow({"pins refused", std::to_string(stats.refused_pins)});
  since.AddRow({"transfers that stood still", std::to_string(stats.idle_transfers)});
  since.AddRow({"bytes of units put", FormatBytes(stats.payload_bytes)});
  since.AddRow({"written for them", FormatBytes(stats.written_bytes)});
  const auto amplification = WriteAmplification(stats);
  since.AddRow(
      {"write amplification", amplification ? fmt::format("{:.3f}", *amplification) : "-"});
  return table.Render() + "\n" + since.Render();
}

}  // namespace

std::optional<double> WriteAmplification(const StoreStats& stats) {
  return Ratio(stats.written_bytes, stats.payload_bytes);
}

std::optional<double> HitRatio(const StoreStats& stats) { return Ratio(stats.hits, stats.gets); }

json StatsToJson(const StoreStats& stats) {
  return {{"blobs", stats.blobs},
          {"bytes", stats.bytes},
          {"quota_bytes", stats.quota_bytes},
          {"pinned_bytes", stats.pinned_bytes},
          {"pin_quota_bytes", stats.pin_quota_bytes},
          {"free_bytes", stats.free_bytes},
          {"read_only", stats.read_only},
          {"puts", stats.puts},
          {"gets", stats.gets},
          {"hits", stats.hits},
          {"hit_ratio", RatioToJson(HitRatio(stats))},
          {"evictions", stats.evictions},
          {"expirations", stats.expirations},
          {"corruptions", stats.corruptions},
          {"refused_pins", stats.refused_pins},
          {"idle_transfers", stats.idle_transfers},
          {"payload_bytes", stats.payload_bytes},
          {"written_bytes", stats.written_bytes},
          {"write_amplification", RatioToJson(WriteAmplification(stats))}};
}

json StatReportToJson(const StoreStats& stats, const std::vector<BlobInfo>& blobs) {
  json out = StatsToJson(stats);
  out["schemas"] = GroupsToJson(BySchema(blobs), "schema");
  out["models"] = GroupsToJson(ByModel(blobs), "model");
  return out;
}

std::string RenderStatReport(const StoreStats& stats, const std::vector<BlobInfo>& blobs) {
  return RenderStats(stats) + RenderGroups(BySchema(blobs), "schema") +
         RenderGroups(ByModel(blobs), "model (weights, dtype, layout)");
}

}  // namespace promptcache
