#include "tools/cli/store/top_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/cli/store/blob_list.h"
#include "tools/cli/store/stat_report.h"
#include "tools/cli/table.h"

namespace promptcache {

TopFrame MakeTopFrame(const TopSample& before, const TopSample& now, size_t units) {
  const double seconds = MillisecondsBetween(before.at, now.at) / 1000;
  const auto rate = [&](uint64_t StoreStats::*counter) {
    const uint64_t earlier = before.stats.*counter;
    const uint64_t later = now.stats.*counter;
    return later < earlier ? 0 : static_cast<double>(later - earlier) / seconds;
  };
  TopFrame frame{.stats = now.stats,
                 .unix_ms = now.unix_ms,
                 .gets_per_second = rate(&StoreStats::gets),
                 .hits_per_second = rate(&StoreStats::hits),
                 .puts_per_second = rate(&StoreStats::puts),
                 .evictions_per_second = rate(&StoreStats::evictions),
                 .most_used = now.blobs};
  const auto most =
      frame.most_used.begin() + static_cast<ptrdiff_t>(std::min(units, frame.most_used.size()));
  std::partial_sort(frame.most_used.begin(), most, frame.most_used.end(),
                    [](const BlobInfo& a, const BlobInfo& b) {
                      return std::pair(-a.use.weight, a.key) < std::pair(-b.use.weight, b.key);
                    });
  frame.most_used.erase(most, frame.most_used.end());
  return frame;
}

nlohmann::json TopToJson(const TopFrame& frame) {
  nlohmann::json out = BlobsToJson(frame.most_used);
  return {{"unix_ms", frame.unix_ms},
          {"stats", StatsToJson(frame.stats)},
          {"gets_per_second", frame.gets_per_second},
          {"hits_per_second", frame.hits_per_second},
          {"puts_per_second", frame.puts_per_second},
          {"evictions_per_second", frame.evictions_per_second},
          {"most_used", std::move(out["blobs"])}};
}

std::string RenderTop(const TopFrame& frame) {
  return fmt::format("{} UTC: {} units, {}, {} pinned, {} free{}\n", FormatUtc(frame.unix_ms),
                     frame.stats.blobs, FormatBytes(frame.stats.bytes),
                     FormatBytes(frame.stats.pinned_bytes), FormatBytes(frame.stats.free_bytes),
                     frame.stats.read_only.empty() ? "" : ", reads only") +
         fmt::format("{:.1f} gets/s, {:.1f} hits/s, {:.1f} puts/s, {:.1f} evictions/s\n\n",
                     frame.gets_per_second, frame.hits_per_second, frame.puts_per_second,
                     frame.evictions_per_second) +
         RenderBlobs(frame.most_used, frame.unix_ms);
}

}  // namespace promptcache
