#include "tools/bench/load_path_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

const char* ChoiceOf(const LoadPathSize& size) { return size.mostly_loads() ? "load" : "encode"; }

std::string Spread(const Series& series) {
  return fmt::format("{} ({} - {})", FormatMs(series.median()), FormatMs(series.minimum()),
                     FormatMs(series.maximum()));
}

std::string RenderSizes(const std::vector<LoadPathSize>& sizes) {
  Table table({{"tokens", Align::kRight},
               {"bytes", Align::kRight},
               {"load", Align::kRight},
               {"encode", Align::kRight},
               {"as chosen", Align::kRight},
               {"mostly"},
               {"by the better", Align::kRight}});
  for (const LoadPathSize& size : sizes) {
    table.AddRow({std::to_string(size.tokens), FormatBytes(size.bytes), Spread(size.load),
                  Spread(size.encode), Spread(size.choice), ChoiceOf(size),
                  fmt::format("{:.2f}", size.ratio())});
  }
  return table.Render();
}

std::string RenderWarmStart(const std::string& schema, const WarmStart& start) {
  const bool within = start.disk.median() <= start.bar_ms();
  return fmt::format(
      "\ntime to first token of a worker that takes another's place, {}: {} cached tokens in {} "
      "units, {}\n"
      "  warm        {}\n"
      "  from disk   {}\n"
      "  bar         {} ({}): the larger of 1.3 x warm and warm + 1.2 x bytes / bandwidth\n"
      "  bandwidth   {}/s, of one reader of these units through the service, verified\n",
      schema, start.cached_tokens, start.units, FormatBytes(start.bytes), Spread(start.warm),
      Spread(start.disk), FormatMs(start.bar_ms()), within ? "held" : "MISSED",
      FormatBytes(static_cast<unsigned long long>(start.bytes_per_s.median())));
}

}  // namespace

double LoadPathReport::worst_ratio() const {
  double worst = 0;
  for (const LoadPathSize& size : sizes) worst = std::max(worst, size.ratio());
  return worst;
}

nlohmann::json LoadPathToJson(const LoadPathReport& report) {
  nlohmann::json sizes = nlohmann::json::array();
  for (const LoadPathSize& size : report.sizes) {
    nlohmann::json one = {{"tokens", size.tokens},
                          {"bytes", size.bytes},
                          {"choice", ChoiceOf(size)},
                          {"choice_loads", size.loads},
                          {"ratio", size.ratio()}};
    AddSeries(one, "load_ms", size.load);
    AddSeries(one, "encode_ms", size.encode);
    AddSeries(one, "choice_ms", size.choice);
    sizes.push_back(std::move(one));
  }
  const WarmStart& start = report.warm_start;
  nlohmann::json warm_start = {{"schema", report.schema},
                               {"cached_tokens", start.cached_tokens},
                               {"units", start.units},
                               {"bytes", start.bytes},
                               {"bar_ms", start.bar_ms()}};
  AddSeries(warm_start, "warm_ms", start.warm);
  AddSeries(warm_start, "disk_ms", start.disk);
  AddSeries(warm_start, "service_bytes_per_s", start.bytes_per_s);
  return {{"build_type", kBuildType},           {"version", kVersion},
          {"dtype", report.identity.dtype},     {"sizes", std::move(sizes)},
          {"ratio_bar", LoadPathReport::kBar},  {"worst_ratio", report.worst_ratio()},
          {"warm_start", std::move(warm_start)}};
}

std::string RenderLoadPath(const LoadPathReport& report) {
  std::string out =
      fmt::format("time to get a unit that is stored and not in memory, {}, {} build\n",
                  report.identity.dtype, kBuildType);
  if (std::string_view(kBuildType) != "Release") out += "WARNING: not a release build\n";
  out += RenderSizes(report.sizes);
  const bool within = report.worst_ratio() <= LoadPathReport::kBar;
  out += fmt::format("the way chosen takes at most {:.2f} x the better (bar {:.2f}: {})\n",
                     report.worst_ratio(), LoadPathReport::kBar, within ? "held" : "MISSED");
  return out + RenderWarmStart(report.schema, report.warm_start);
}

}  // namespace promptcache
