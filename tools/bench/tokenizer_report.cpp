#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "common/version.h"
#include "tools/bench/tokenizer_bench.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

nlohmann::json HardToJson(const HardTextSeries& series) {
  nlohmann::json json = {{"name", series.name},
                         {"worst_ratio", series.worst_ratio()},
                         {"sizes", nlohmann::json::array()}};
  for (size_t i = 0; i < series.sizes.size(); ++i) {
    nlohmann::json size = {{"bytes", series.sizes[i].bytes}, {"ratio", series.RatioAt(i)}};
    AddSeries(size, "ms", series.sizes[i].milliseconds);
    json["sizes"].push_back(std::move(size));
  }
  return json;
}

std::string Range(const Series& series) {
  return fmt::format("{:.1f} - {:.1f}", series.minimum(), series.maximum());
}

std::vector<std::string> HardRow(const std::string& name, const HardTextSeries& series) {
  std::string times;
  for (const HardTextTimes& one : series.sizes) {
    times += fmt::format("{:8.2f}", one.milliseconds.median());
  }
  const std::string ratio =
      series.sizes.size() < 2 ? "-" : fmt::format("{:.2f}", series.worst_ratio());
  return {name, series.name, times, ratio};
}

}  // namespace

nlohmann::json TokenizersToJson(const TokenizerReport& report) {
  nlohmann::json json = {{"build_type", kBuildType},
                         {"version", kVersion},
                         {"cpu", report.cpu},
                         {"iterations", report.options.iterations},
                         {"texts", report.texts},
                         {"bytes", report.bytes},
                         {"tokenizers", nlohmann::json::array()}};
  for (const TokenizerTimes& one : report.tokenizers) {
    nlohmann::json entry = {{"name", one.name},
                            {"vocabulary", one.vocabulary},
                            {"ids", one.ids},
                            {"ids_digest", one.ids_digest},
                            {"first_mb_per_s", one.first_mb_per_s.median()},
                            {"hard", nlohmann::json::array()}};
    AddSeries(entry, "mb_per_s", one.mb_per_s);
    for (const HardTextSeries& series : one.hard) entry["hard"].push_back(HardToJson(series));
    json["tokenizers"].push_back(std::move(entry));
  }
  return json;
}

std::string RenderTokenizers(const TokenizerReport& report) {
  std::string out =
      fmt::format("Tokenizers, {} texts of {} in all, {} build, {} iterations, {}\n", report.texts,
                  FormatBytes(report.bytes), kBuildType, report.options.iterations,
                  report.cpu.empty() ? "unknown CPU" : report.cpu);
  if (std::string_view(kBuildType) != "Release") out += "WARNING: not a release build\n";
  Table speeds({{"tokenizer"},
                {"ids", Align::kRight},
                {"MB/s", Align::kRight},
                {"min - max", Align::kRight},
                {"first", Align::kRight}});
  Table hard({{"tokenizer"},
              {"text"},
              {"ms, from 128 KiB on doubling", Align::kRight},
              {"worst ratio", Align::kRight}});
  for (const TokenizerTimes& one : report.tokenizers) {
    speeds.AddRow({one.name, std::to_string(one.ids), fmt::format("{:.1f}", one.mb_per_s.median()),
                   Range(one.mb_per_s), fmt::format("{:.1f}", one.first_mb_per_s.median())});
    for (const HardTextSeries& series : one.hard) hard.AddRow(HardRow(one.name, series));
  }
  return out + speeds.Render() + "\n" + hard.Render();
}

}  // namespace promptcache
