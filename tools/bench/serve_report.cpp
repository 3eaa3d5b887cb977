#include "tools/bench/serve_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/bench/cpu_time.h"
#include "tools/bench/serve_bench.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

nlohmann::json TimesToJson(const LatencyHistogram& times) {
  return {{"p50", times.Quantile(0.5)},
          {"p90", times.Quantile(0.9)},
          {"p99", times.Quantile(0.99)},
          {"p999", times.Quantile(0.999)},
          {"max", times.maximum()}};
}

std::vector<std::string> Row(const std::string& name, const ServeResult& result) {
  std::vector<std::string> row = {name, fmt::format("{:.0f}", result.requests_per_s())};
  for (const LatencyHistogram* times : {&result.first_token_ms, &result.total_ms}) {
    row.push_back(FormatMs(times->Quantile(0.5)));
    row.push_back(FormatMs(times->Quantile(0.99)));
  }
  row.push_back(fmt::format("{:.3f} ms", result.cpu_ms_per_request()));
  row.push_back(fmt::format("{}", result.failed));
  return row;
}

std::string RenderBySecond(const Series& p99_ms) {
  if (p99_ms.samples.empty()) return "";
  return fmt::format(
      "at random, second by second: p99 of whole answers {} (median of {}, {} to {})\n",
      FormatMs(p99_ms.median()), p99_ms.samples.size(), FormatMs(p99_ms.minimum()),
      FormatMs(p99_ms.maximum()));
}

std::string RenderSoak(const ServeBenchReport& report) {
  const ProcessSlopes slopes = SlopesOf(report.samples);
  const ProcessSample last = report.samples.empty() ? ProcessSample{} : report.samples.back();
  return fmt::format(
      "after {}: {} resident, {} open files; in the second half {:+.0f} bytes/s and {:+.4f} "
      "files/s\n",
      FormatSpan(last.seconds), FormatBytes(last.rss_bytes), last.open_files,
      slopes.rss_bytes_per_s, slopes.files_per_s);
}

}  // namespace

double ShareOf(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

nlohmann::json ServeResultToJson(const ServeResult& result) {
  nlohmann::json json = {
      {"requests", result.requests},
      {"failed", result.failed},
      {"first_failure", result.first_failure},
      {"seconds", result.seconds},
      {"requests_per_s", result.requests_per_s()},
      {"tokens_per_request", ShareOf(result.tokens, result.requests)},
      {"parts_per_request", ShareOf(result.parts, result.requests)},
      {"prompt_tokens_per_request", ShareOf(result.prompt_tokens, result.requests)},
      {"cached_tokens_per_request", ShareOf(result.cached_tokens, result.requests)},
      {"units_per_request", ShareOf(result.units, result.requests)},
      {"resident_share", ShareOf(result.resident_units, result.units)},
      {"cpu_ms_per_request", result.cpu_ms_per_request()},
      {"stolen_share", result.stolen_share},
      {"total_ms", TimesToJson(result.total_ms)},
      {"first_token_ms", TimesToJson(result.first_token_ms)}};
  AddSeries(json, "total_p99_ms_by_second", result.p99_by_second_ms);
  return json;
}

std::string NotesOf(std::initializer_list<const ServeResult*> results) {
  std::string notes;
  double stolen = 0;
  for (const ServeResult* result : results) {
    if (result->failed > 0) notes += fmt::format("first failure: {}\n", result->first_failure);
    stolen = std::max(stolen, result->stolen_share);
  }
  return notes + StolenWarning(stolen);
}

nlohmann::json ServeBenchToJson(const ServeBenchReport& report) {
  const ServeSetup& setup = report.options.setup;
  nlohmann::json json = {{"build_type", kBuildType},
                         {"version", kVersion},
                         {"cpu", report.cpu},
                         {"cores", report.cores},
                         {"clients", setup.clients},
                         {"workers", setup.cluster.workers},
                         {"schemas", setup.workload.schemas},
                         {"zipf", setup.workload.zipf},
                         {"closed", ServeResultToJson(report.closed)}};
  if (report.options.soak_seconds > 0) {
    const ProcessSlopes slopes = SlopesOf(report.samples);
    json["rss_slope_bytes_per_s"] = slopes.rss_bytes_per_s;
    json["files_slope_per_s"] = slopes.files_per_s;
    for (const ProcessSample& sample : report.samples) {
      json["samples"].push_back({{"seconds", sample.seconds},
                                 {"rss_bytes", sample.rss_bytes},
                                 {"open_files", sample.open_files}});
    }
  } else {
    json["rate"] = report.rate;
    json["open"] = ServeResultToJson(report.open);
  }
  return json;
}

std::string RenderServeBench(const ServeBenchReport& report) {
  const ServeSetup& setup = report.options.setup;
  const ServeResult& closed = report.closed;
  std::string out = fmt::format(
      "{}, {} cores\n{} clients, {} workers without a model, {} schemas by Zipf {:g}; a prompt has "
      "{:.1f} units, {:.0f} tokens, {:.0f} of them cached; an answer {:.0f}\n\n",
      report.cpu, report.cores, setup.clients, setup.cluster.workers, setup.workload.schemas,
      setup.workload.zipf, ShareOf(closed.units, closed.requests),
      ShareOf(closed.prompt_tokens, closed.requests),
      ShareOf(closed.cached_tokens, closed.requests), ShareOf(closed.tokens, closed.requests));
  Table table({{""},
               {"requests/s", Align::kRight},
               {"first token p50", Align::kRight},
               {"p99", Align::kRight},
               {"whole answer p50", Align::kRight},
               {"p99", Align::kRight},
               {"CPU a request", Align::kRight},
               {"failed", Align::kRight}});
  table.AddRow(Row("as fast as it goes", closed));
  if (report.options.soak_seconds == 0) {
    table.AddRow(Row(fmt::format("at {:.0f}/s, at random", report.rate), report.open));
  }
  out += table.Render();
  out += RenderBySecond(report.open.p99_by_second_ms);
  out += NotesOf({&report.closed, &report.open});
  if (report.options.soak_seconds > 0) out += "\n" + RenderSoak(report);
  return out;
}

}  // namespace promptcache
