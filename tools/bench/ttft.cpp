#include "tools/bench/ttft.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr uint32_t kDecodedTokens = 64;
// An answer may end by itself; one shorter than this says too little of a token's time.
constexpr uint32_t kEnoughTokens = 8;

struct Case {
  const char* name;
  const char* meaning;
  Series TtftReport::*series;
};

constexpr Case kCases[] = {
    {"full", "no reuse", &TtftReport::full},
    {"cold", "every module encoded", &TtftReport::cold},
    {"warm", "modules in memory", &TtftReport::warm},
    {"disk", "modules from the store", &TtftReport::disk},
    {"disk_cold", "store, page cache dropped", &TtftReport::disk_cold},
    {"control", "as many tokens, none cached", &TtftReport::control},
    {"tiny_full", "one-token units, no reuse", &TtftReport::tiny_full},
    {"tiny_warm", "one-token units, in memory", &TtftReport::tiny_warm},
    {"decode", "a further token, modules in memory", &TtftReport::decode},
};

class Measurement {
 public:
  Measurement(EmbeddedSystem& system, const TtftOptions& options) : system_(system) {
    report_.options = options;
    report_.identity = system.identity();
  }

  Status RunModules(uint64_t seed, bool keep) {
    keep_ = keep;
    PC_ASSIGN_OR_RETURN(const Workload workload,
                        MakeWorkload(system_.tokenizer(), report_.options.shape, seed));
    PC_RETURN_IF_ERROR(Register(workload));
    PC_RETURN_IF_ERROR(Time(workload.prompt, ReuseMode::kFull, std::nullopt, report_.full));
    PC_RETURN_IF_ERROR(Time(workload.prompt, ReuseMode::kReuse, Source::kEncoded, report_.cold));
    PC_RETURN_IF_ERROR(Time(workload.prompt, ReuseMode::kReuse, Source::kDevice, report_.warm));
    PC_RETURN_IF_ERROR(TimeDecoding(workload.prompt));
    PC_RETURN_IF_ERROR(system_.WaitCommitted(usage_));
    PC_RETURN_IF_ERROR(system_.RestartWorker());
    PC_RETURN_IF_ERROR(Time(workload.prompt, ReuseMode::kReuse, Source::kDisk, report_.disk));
    PC_RETURN_IF_ERROR(system_.RestartWorker());
    PC_RETURN_IF_ERROR(system_.DropPageCache());
    PC_RETURN_IF_ERROR(Time(workload.prompt, ReuseMode::kReuse, Source::kDisk, report_.disk_cold));
    return Time(workload.control, ReuseMode::kReuse, std::nullopt, report_.control);
  }

  Status RunTinyUnits(uint64_t seed, bool keep) {
    keep_ = false;
    PC_ASSIGN_OR_RETURN(
        const Workload workload,
        MakeTinyUnitsWorkload(system_.tokenizer(), report_.options.tiny_units, seed));
    PC_RETURN_IF_ERROR(Register(workload));
    PC_RETURN_IF_ERROR(
        Time(workload.prompt, ReuseMode::kReuse, Source::kEncoded, report_.tiny_warm));
    keep_ = keep;
    PC_RETURN_IF_ERROR(Time(workload.prompt, ReuseMode::kFull, std::nullopt, report_.tiny_full));
    PC_RETURN_IF_ERROR(
        Time(workload.prompt, ReuseMode::kReuse, Source::kDevice, report_.tiny_warm));
    report_.tiny_tokens = usage_.prompt_tokens;
    return {};
  }

  TtftReport Take() && { return std::move(report_); }

 private:
  Status Register(const Workload& workload) {
    return system_.client()
        .AddSchema({.file = workload.schema_name + ".xml", .document = workload.schema})
        .status();
  }

  // Submits and checks that every unit came from `expected` (nullopt: that no unit was used).
  Status Time(const std::string& prompt, ReuseMode reuse, std::optional<Source> expected,
              Series& series) {
    struct Submit request {
      .prompt = prompt, .reuse = reuse
    };
    request.options.max_new_tokens = 1;
    const Answer answer = system_.client().Submit(request);
    PC_RETURN_IF_ERROR(answer.status);
    if (!expected && answer.usage.cached_tokens != 0) {
      return Internal("a run without reuse read cached tokens");
    }
    for (const UnitUsage& unit : answer.usage.units) {
      if (!expected || unit.source == *expected) continue;
      return Internal(fmt::format("unit {} came from {}, not {} ({})", unit.path,
                                  SourceName(unit.source), SourceName(*expected),
                                  unit.miss_reason));
    }
    usage_ = answer.usage;
    if (keep_) series.samples.push_back(answer.client_ttft_ms);
    return {};
  }

  Status TimeDecoding(const std::string& prompt) {
    struct Submit request {
      .prompt = prompt
    };
    request.options.max_new_tokens = kDecodedTokens + 1;
    const Answer answer = system_.client().Submit(request);
    PC_RETURN_IF_ERROR(answer.status);
    const Usage& usage = answer.usage;
    if (!keep_ || usage.generated_tokens <= kEnoughTokens) return {};
    report_.decode.samples.push_back((usage.total_ms - usage.ttft_ms) /
                                     (usage.generated_tokens - 1));
    return {};
  }

  EmbeddedSystem& system_;
  TtftReport report_;
  Usage usage_;
  bool keep_ = false;
};

}  // namespace

Result<TtftReport> MeasureTtft(EmbeddedSystem& system, const TtftOptions& options,
                               const std::function<void(const std::string&)>& progress) {
  Measurement measurement(system, options);
  for (uint32_t i = 0; i <= options.iterations; ++i) {
    const bool keep = i > 0;
    const uint64_t seed = options.seed * 100 + i;
    PC_RETURN_IF_ERROR(measurement.RunModules(seed, keep));
    if (options.tiny_units > 0) PC_RETURN_IF_ERROR(measurement.RunTinyUnits(seed, keep));
    progress(keep ? fmt::format("iteration {} of {}", i, options.iterations) : "warmed up");
  }
  return std::move(measurement).Take();
}

nlohmann::json TtftToJson(const TtftReport& report) {
  nlohmann::json json = {{"build_type", kBuildType},
                         {"version", kVersion},
                         {"dtype", report.identity.dtype},
                         {"cached", report.options.shape.cached},
                         {"modules", report.options.shape.modules},
                         {"new", report.options.shape.new_tokens},
                         {"iterations", report.options.iterations},
                         {"tiny_units", report.options.tiny_units},
                         {"tiny_tokens", report.tiny_tokens}};
  for (const Case& one : kCases) {
    const Series& series = report.*one.series;
    const std::string name = std::string(one.name) + "_ms";
    json[name] = series.median();
    json[name + "_min"] = series.minimum();
    json[name + "_max"] = series.maximum();
  }
  const auto ratio = [](const Series& a, const Series& b) {
    return b.median() > 0 ? a.median() / b.median() : 0;
  };
  json["warm_speedup"] = ratio(report.full, report.warm);
  json["disk_speedup_over_cold"] = ratio(report.cold, report.disk);
  json["control_over_full"] = ratio(report.control, report.full);
  const double decode = report.decode.median();
  json["decode_tokens_per_s"] = decode > 0 ? 1000 / decode : 0;
  return json;
}

std::string RenderTtft(const TtftReport& report) {
  const WorkloadShape& shape = report.options.shape;
  std::string out = fmt::format(
      "time to first token, {} cached tokens in {} modules + {} new, {}, {} build, {} iterations\n",
      shape.cached, shape.modules, shape.new_tokens, report.identity.dtype, kBuildType,
      report.options.iterations);
  if (std::string_view(kBuildType) != "Release") out += "WARNING: not a release build\n";
  Table table({{"case"},
               {"median", Align::kRight},
               {"min", Align::kRight},
               {"max", Align::kRight},
               {"faster than full", Align::kRight},
               {"what"}});
  for (const Case& one : kCases) {
    const Series& series = report.*one.series;
    if (series.samples.empty()) continue;
    const std::string_view name = one.name;
    const double full = name.starts_with("tiny") ? report.tiny_full.median() : report.full.median();
    const std::string faster =
        name == "decode" ? "" : fmt::format("{:.1f} x", full / series.median());
    table.AddRow({one.name, FormatMs(series.median()), FormatMs(series.minimum()),
                  FormatMs(series.maximum()), faster, one.meaning});
  }
  return out + table.Render();
}

}  // namespace promptcache
