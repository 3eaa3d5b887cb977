#include "tools/simulate/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr std::array kTiers = {Source::kDevice, Source::kHost, Source::kDisk, Source::kRemote,
                               Source::kEncoded};

std::string Percent(double share) { return fmt::format("{:.1f} %", share * 100); }
std::string Seconds(double seconds) { return FormatMs(seconds * 1000); }

std::vector<std::string> Row(const SimulationResult& result) {
  std::vector<std::string> row = {result.policy, Seconds(result.ttft_s.percentile(50)),
                                  Seconds(result.ttft_s.percentile(90)),
                                  Seconds(result.ttft_s.percentile(99))};
  for (const Source tier : kTiers) row.push_back(Percent(result.Share(tier)));
  row.push_back(Percent(result.load));
  row.push_back(fmt::format("{:.2f}", result.busy_balance()));
  row.push_back(FormatBytes(result.bytes_moved));
  row.push_back(fmt::format("{:.2f}", result.replicas));
  row.push_back(fmt::format("{}/{}", result.held, result.rejected));
  row.push_back(fmt::format("{:.0f}/{:.0f} us", result.decision_us.percentile(50),
                            result.decision_us.percentile(99)));
  return row;
}

}  // namespace

nlohmann::json SimulationsToJson(const std::vector<SimulationResult>& results) {
  nlohmann::json json = {{"build_type", kBuildType},
                         {"version", kVersion},
                         {"workload", results.front().workload},
                         {"seed", results.front().seed},
                         {"policies", nlohmann::json::array()}};
  for (const SimulationResult& result : results) {
    nlohmann::json one = {{"policy", result.policy},
                          {"requests", result.ttft_s.samples.size()},
                          {"ttft_p50_s", result.ttft_s.percentile(50)},
                          {"ttft_p90_s", result.ttft_s.percentile(90)},
                          {"ttft_p99_s", result.ttft_s.percentile(99)},
                          {"load", result.load},
                          {"busy_max_over_mean", result.busy_balance()},
                          {"busy_s", result.busy_s},
                          {"bytes_moved", result.bytes_moved},
                          {"replicas_per_unit", result.replicas},
                          {"held", result.held},
                          {"rejected", result.rejected},
                          {"decision_p50_us", result.decision_us.percentile(50)},
                          {"decision_p99_us", result.decision_us.percentile(99)}};
    for (const Source tier : kTiers) {
      one["token_share"][std::string(SourceName(tier))] = result.Share(tier);
    }
    json["policies"].push_back(std::move(one));
  }
  return json;
}

std::string RenderSimulations(const std::vector<SimulationResult>& results) {
  Table table({{"policy"},
               {"p50", Align::kRight},
               {"p90", Align::kRight},
               {"p99", Align::kRight},
               {"device", Align::kRight},
               {"host", Align::kRight},
               {"disk", Align::kRight},
               {"remote", Align::kRight},
               {"encoded", Align::kRight},
               {"load", Align::kRight},
               {"max/mean", Align::kRight},
               {"moved", Align::kRight},
               {"replicas", Align::kRight},
               {"held/rejected", Align::kRight},
               {"decision p50/p99", Align::kRight}});
  for (const SimulationResult& result : results) table.AddRow(Row(result));
  return fmt::format("{}, {} requests counted, seed {}\n{}", results.front().workload,
                     results.front().ttft_s.samples.size(), results.front().seed, table.Render());
}

}  // namespace promptcache
