#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/version.h"
#include "tools/bench/pml_bench.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

// The slowest of the documents whose names begin so; 0: there are none.
double SlowestParse(const PmlReport& report, std::string_view name) {
  double slowest = 0;
  for (const DocumentTimes& one : report.documents) {
    if (!one.name.starts_with(name)) continue;
    const double speed = one.parse_mb_per_s();
    slowest = slowest == 0 ? speed : std::min(slowest, speed);
  }
  return slowest;
}

std::vector<std::string> SmallRow(const char* name, const char* unit, const Series& series) {
  return {name, fmt::format("{:.2f} {}", series.median(), unit),
          fmt::format("{:.2f}", series.minimum()), fmt::format("{:.2f}", series.p99()),
          fmt::format("{:.2f}", series.maximum())};
}

std::string Range(const Series& series) {
  return FormatMs(series.minimum()) + " - " + FormatMs(series.maximum());
}

std::vector<std::string> DocumentRow(const DocumentTimes& one) {
  const double megabytes = static_cast<double>(one.bytes) / 1e6;
  return {one.name,
          FormatBytes(one.bytes),
          FormatMs(one.parse.median()),
          Range(one.parse),
          fmt::format("{:.0f}", one.parse_mb_per_s()),
          FormatMs(one.layout.median()),
          Range(one.layout),
          fmt::format("{:.2f}", (one.parse.median() + one.layout.median()) / megabytes)};
}

}  // namespace

double DocumentTimes::parse_mb_per_s() const {
  const double milliseconds = parse.median();
  return milliseconds > 0 ? static_cast<double>(bytes) / 1e3 / milliseconds : 0;
}

nlohmann::json PmlToJson(const PmlReport& report) {
  nlohmann::json json = {{"build_type", kBuildType},
                         {"version", kVersion},
                         {"cpu", report.cpu},
                         {"iterations", report.options.iterations},
                         {"schema_bytes", report.schema_bytes},
                         {"schema_tokens", report.schema_tokens},
                         {"text_mb_per_s", SlowestParse(report, "text_")},
                         {"tags_mb_per_s", SlowestParse(report, "tags")},
                         {"schema_first_ms", report.schema_first.median()},
                         {"prompt_us_p99", report.prompt.p99()},
                         {"documents", nlohmann::json::array()}};
  AddSeries(json, "schema_ms", report.schema);
  AddSeries(json, "schema_parse_ms", report.schema_parse);
  AddSeries(json, "prompt_us", report.prompt);
  for (const DocumentTimes& one : report.documents) {
    nlohmann::json entry = {
        {"name", one.name}, {"bytes", one.bytes}, {"parse_mb_per_s", one.parse_mb_per_s()}};
    AddSeries(entry, "parse_ms", one.parse);
    AddSeries(entry, "layout_ms", one.layout);
    json["documents"].push_back(std::move(entry));
    if (one.name == "units_65536") AddSeries(json, "layout_65536_ms", one.layout);
  }
  return json;
}

std::string RenderPml(const PmlReport& report) {
  std::string out =
      fmt::format("PML, persona schema of {} and {} positions, {} build, {} iterations, {}\n",
                  FormatBytes(report.schema_bytes), report.schema_tokens, kBuildType,
                  report.options.iterations, report.cpu.empty() ? "unknown CPU" : report.cpu);
  if (std::string_view(kBuildType) != "Release") out += "WARNING: not a release build\n";
  Table persona({{"persona"},
                 {"median", Align::kRight},
                 {"min", Align::kRight},
                 {"p99", Align::kRight},
                 {"max", Align::kRight}});
  persona.AddRow(SmallRow("schema: parse, check, lay out", "ms", report.schema));
  persona.AddRow(SmallRow("schema: the same, first time", "ms", report.schema_first));
  persona.AddRow(SmallRow("schema: parse, check", "ms", report.schema_parse));
  persona.AddRow(SmallRow("prompt: parse, plan", "us", report.prompt));
  Table documents({{"document"},
                   {"size", Align::kRight},
                   {"parse", Align::kRight},
                   {"min - max", Align::kRight},
                   {"MB/s", Align::kRight},
                   {"layout", Align::kRight},
                   {"min - max", Align::kRight},
                   {"ms/MB, both", Align::kRight}});
  for (const DocumentTimes& one : report.documents) documents.AddRow(DocumentRow(one));
  return out + persona.Render() + "\n" + documents.Render();
}

}  // namespace promptcache
