#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/bench/reuse_bench.h"
#include "tools/bench/serve_report.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

nlohmann::json ToJson(const ServeResult& result) {
  nlohmann::json json = ServeResultToJson(result);
  json["tokens_per_s"] = result.per_s(result.tokens);
  json["prompt_tokens_per_s"] = result.per_s(result.prompt_tokens);
  json["cached_share"] = ShareOf(result.cached_tokens, result.prompt_tokens);
  return json;
}

double Ratio(double a, double b) { return b > 0 ? a / b : 0; }

std::vector<std::string> Row(const std::string& name, const ServeResult& result) {
  return {name,
          fmt::format("{:.1f}", result.requests_per_s()),
          fmt::format("{:.0f}", result.per_s(result.tokens)),
          fmt::format("{:.0f}", result.per_s(result.prompt_tokens)),
          fmt::format("{:.0f} %", 100 * ShareOf(result.cached_tokens, result.prompt_tokens)),
          fmt::format("{}", result.requests),
          fmt::format("{}", result.failed)};
}

void AddTimes(Table& table, const std::string& name, const LatencyHistogram& times) {
  table.AddRow({name, FormatMs(times.Quantile(0.5)), FormatMs(times.Quantile(0.9)),
                FormatMs(times.Quantile(0.99)), FormatMs(times.maximum())});
}

}  // namespace

nlohmann::json ReuseBenchToJson(const ReuseBenchReport& report) {
  const ServeSetup& setup = report.setup;
  return {{"build_type", kBuildType},
          {"version", kVersion},
          {"cpu", report.cpu},
          {"cores", report.cores},
          {"model", setup.model},
          {"dtype", report.identity.dtype},
          {"clients", setup.clients},
          {"workers", setup.cluster.workers},
          {"slots", setup.cluster.worker.slots},
          {"threads", setup.cluster.worker.threads},
          {"schemas", setup.workload.schemas},
          {"zipf", setup.workload.zipf},
          {"words", setup.workload.words},
          {"references", setup.workload.references},
          {"seed", setup.workload.seed},
          {"cache_on", ToJson(report.reuse)},
          {"cache_off", ToJson(report.full)},
          {"requests_ratio", Ratio(report.reuse.requests_per_s(), report.full.requests_per_s())},
          {"first_token_p99_ratio", Ratio(report.full.first_token_ms.Quantile(0.99),
                                          report.reuse.first_token_ms.Quantile(0.99))}};
}

std::string RenderReuseBench(const ReuseBenchReport& report) {
  const ServeSetup& setup = report.setup;
  const ServeResult& reuse = report.reuse;
  std::string out = fmt::format(
      "{}, {} cores, {} build\n{}, {}\n{} clients, {} worker{} of {} slots; {} schemas of {} "
      "modules by Zipf {:g}; a prompt has {:.1f} units, {:.0f} tokens, {:.0f} of them in modules; "
      "an answer {:.0f}\n\n",
      report.cpu, report.cores, kBuildType, setup.model, report.identity.dtype, setup.clients,
      setup.cluster.workers, setup.cluster.workers == 1 ? "" : "s", setup.cluster.worker.slots,
      setup.workload.schemas, ServeWorkload::kModules, setup.workload.zipf,
      ShareOf(reuse.units, reuse.requests), ShareOf(reuse.prompt_tokens, reuse.requests),
      ShareOf(reuse.cached_tokens, reuse.requests), ShareOf(reuse.tokens, reuse.requests));
  if (std::string_view(kBuildType) != "Release") out += "WARNING: not a release build\n";
  Table rates({{""},
               {"requests/s", Align::kRight},
               {"tokens/s", Align::kRight},
               {"prompt tokens/s", Align::kRight},
               {"cached", Align::kRight},
               {"requests", Align::kRight},
               {"failed", Align::kRight}});
  rates.AddRow(Row("cache on", reuse));
  rates.AddRow(Row("cache off", report.full));
  Table times({{""},
               {"p50", Align::kRight},
               {"p90", Align::kRight},
               {"p99", Align::kRight},
               {"max", Align::kRight}});
  AddTimes(times, "first token, cache on", reuse.first_token_ms);
  AddTimes(times, "first token, cache off", report.full.first_token_ms);
  AddTimes(times, "whole answer, cache on", reuse.total_ms);
  AddTimes(times, "whole answer, cache off", report.full.total_ms);
  out += rates.Render() + "\n" + times.Render();
  return out + NotesOf({&report.reuse, &report.full});
}

}  // namespace promptcache
