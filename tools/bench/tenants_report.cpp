#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/bench/tenants_bench.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

nlohmann::json ToJson(const TenantsTimes& times) {
  nlohmann::json json;
  AddSeries(json, "known_ms", times.known);
  AddSeries(json, "fresh_ms", times.fresh);
  AddSeries(json, "difference_ms", times.differences());
  const SignedRank test = times.Test();
  json["known_hits"] = times.known_hits;
  json["fresh_hits"] = times.fresh_hits;
  json["pairs"] = test.pairs;
  json["p"] = test.p;
  return json;
}

std::string MedianAndQuartiles(const Series& series) {
  return fmt::format("{} ({}-{})", FormatMs(series.median()), FormatMs(series.percentile(25)),
                     FormatMs(series.percentile(75)));
}

std::vector<std::string> Row(const std::string& name, const TenantsTimes& times) {
  const Series differences = times.differences();
  return {name,
          MedianAndQuartiles(times.known),
          MedianAndQuartiles(times.fresh),
          fmt::format("{:+.3f} ms ({:+.3f}, {:+.3f})", differences.median(),
                      differences.percentile(25), differences.percentile(75)),
          fmt::format("{:.3g}", times.Test().p),
          fmt::format("{}", times.known_hits)};
}

}  // namespace

std::string TenantsBenchReport::Fault() const {
  if (apart.known_hits + apart.fresh_hits > 0) {
    return fmt::format("{} units of a tenant's first imports were not encoded",
                       apart.known_hits + apart.fresh_hits);
  }
  if (const double p = apart.Test().p; p <= kSignificance) {
    return fmt::format(
        "a tenant's first import takes another time when another one had the text "
        "(p = {:.3g})",
        p);
  }
  if (const double p = shared.Test().p; p > kSignificance) {
    return fmt::format(
        "units that are shared make no difference that could be seen (p = {:.3g}): take more "
        "pairs or more tokens",
        p);
  }
  return "";
}

nlohmann::json TenantsBenchToJson(const TenantsBenchReport& report) {
  return {{"build_type", kBuildType},
          {"version", kVersion},
          {"cpu", report.cpu},
          {"cores", report.cores},
          {"model", report.options.model},
          {"dtype", report.identity.dtype},
          {"pairs", report.options.pairs},
          {"tokens", report.options.tokens},
          {"seed", report.options.seed},
          {"sharing_off", ToJson(report.apart)},
          {"sharing_on", ToJson(report.shared)},
          {"fault", report.Fault()}};
}

std::string RenderTenantsBench(const TenantsBenchReport& report) {
  std::string out = fmt::format(
      "{}, {} cores, {} build\n{}, {}; {} pairs of texts of {} tokens, never seen before; "
      "a tenant's first import of each, medians (and quartiles)\n\n",
      report.cpu, report.cores, kBuildType, report.options.model, report.identity.dtype,
      report.options.pairs, report.options.tokens);
  Table table({{"schemas"},
               {"another tenant has it", Align::kRight},
               {"nobody has it", Align::kRight},
               {"difference", Align::kRight},
               {"p", Align::kRight},
               {"hits", Align::kRight}});
  table.AddRow(Row("each tenant's own", report.apart));
  table.AddRow(Row("shared (control)", report.shared));
  const std::string fault = report.Fault();
  return out + table.Render() + "\n" +
         (fault.empty() ? "times tell no tenant what another one has imported\n"
                        : "FAILED: " + fault + "\n");
}

}  // namespace promptcache
