#include "tools/precompute/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "coordinator/layout/layout.h"
#include "tools/cli/render.h"
#include "tools/cli/stages.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

constexpr size_t kShownUnits = 20;
constexpr uint64_t kBarWidth = 20;

// Of one schema.
struct SchemaCoverage {
  uint64_t units = 0;
  uint64_t stored = 0;
  uint64_t tokens = 0;  // own tokens of missing units
  uint64_t bytes = 0;   // of missing units
};

std::vector<SchemaCoverage> CountBySchema(const ModelPlan& plan) {
  std::vector<SchemaCoverage> all(plan.schemas.size());
  for (size_t i = 0; i < plan.units.size(); ++i) {
    const WorkUnit& unit = plan.units[i];
    for (const uint32_t index : unit.schemas) {
      SchemaCoverage& schema = all[index];
      ++schema.units;
      if (plan.stored[i]) {
        ++schema.stored;
      } else {
        schema.tokens += unit.own_tokens;
        schema.bytes += unit.bytes;
      }
    }
  }
  return all;
}

// What encoding everything that is missing costs.
struct Cost {
  uint64_t own_tokens = 0;
  uint64_t context_tokens = 0;
  uint64_t bytes = 0;
  uint64_t tokens() const { return own_tokens + context_tokens; }
};

Cost CostOf(std::span<const WorkUnit> missing) {
  Cost cost;
  for (const WorkUnit& unit : missing) {
    cost.own_tokens += unit.own_tokens;
    cost.context_tokens += unit.new_context;
    cost.bytes += unit.bytes;
  }
  return cost;
}

std::string FormatSeconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  const auto whole = static_cast<uint64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

nlohmann::json SchemaToJson(const CompiledSchema& schema, const SchemaCoverage& coverage) {
  return {{"schema", schema.name},
          {"version", schema.version},
          {"encoding", EncodingModeName(schema.layout->encoding)},
          {"positions", PositionsName(schema.layout->positions)},
          {"units", coverage.units},
          {"stored", coverage.stored},
          {"missing", coverage.units - coverage.stored},
          {"own_tokens", coverage.tokens},
          {"bytes", coverage.bytes}};
}

nlohmann::json UnitToJson(const WorkUnit& unit) {
  const Reference& name = unit.imports.front().reference;
  return {{"key", unit.key.ToHex()},
          {"schema", name.schema},
          {"version", name.version},
          {"module", name.module},
          {"rows", unit.rows},
          {"own_tokens", unit.own_tokens},
          {"context_tokens", unit.new_context},
          {"bytes", unit.bytes}};
}

nlohmann::json ModelToJson(const ModelCoverage& model) {
  const ModelPlan& plan = *model.plan;
  const Cost cost = CostOf(model.missing);
  nlohmann::json json = {{"model", plan.model.name},
                         {"identity", IdentityToJson(plan.format.identity)},
                         {"units", plan.units.size()},
                         {"stored", plan.units.size() - model.missing.size()},
                         {"missing", model.missing.size()},
                         {"own_tokens", cost.own_tokens},
                         {"context_tokens", cost.context_tokens},
                         {"bytes", cost.bytes},
                         {"schemas", nlohmann::json::array()},
                         {"missing_units", nlohmann::json::array()}};
  if (model.rate) {
    json["tokens_per_second"] = model.rate->tokens_per_second;
    json["rate"] = model.rate->given ? "given" : "measured";
    json["seconds"] = static_cast<double>(cost.tokens()) / model.rate->tokens_per_second;
  }
  const std::vector<SchemaCoverage> schemas = CountBySchema(plan);
  for (size_t i = 0; i < schemas.size(); ++i) {
    json["schemas"].push_back(SchemaToJson(plan.schemas[i], schemas[i]));
  }
  for (const WorkUnit& unit : model.missing) {
    json["missing_units"].push_back(UnitToJson(unit));
  }
  return json;
}

void AddRows(const ModelPlan& plan, Table& table) {
  const std::vector<SchemaCoverage> all = CountBySchema(plan);
  for (size_t i = 0; i < all.size(); ++i) {
    const CompiledSchema& schema = plan.schemas[i];
    table.AddRow({plan.model.name, schema.name + "@" + schema.version,
                  std::string(EncodingModeName(schema.layout->encoding)),
                  PositionsName(schema.layout->positions), std::to_string(all[i].units),
                  std::to_string(all[i].stored), std::to_string(all[i].units - all[i].stored),
                  std::to_string(all[i].tokens), FormatBytes(all[i].bytes)});
  }
}

std::string RenderMissing(const ModelCoverage& model) {
  const ModelPlan& plan = *model.plan;
  if (model.missing.empty()) {
    return fmt::format("{}: all {} units are stored\n", plan.model.name, plan.units.size());
  }
  const Cost cost = CostOf(model.missing);
  std::string out = fmt::format(
      "{}: {} of {} units are missing: {} tokens to run ({} own, {} of contexts), {} to store",
      plan.model.name, model.missing.size(), plan.units.size(), cost.tokens(), cost.own_tokens,
      cost.context_tokens, FormatBytes(cost.bytes));
  if (model.rate) {
    const double rate = model.rate->tokens_per_second;
    out += fmt::format(", about {} at {:.0f} tokens/s ({})",
                       FormatSeconds(static_cast<double>(cost.tokens()) / rate), rate,
                       model.rate->given ? "as given" : "measured here");
  }
  out += '\n';
  for (size_t i = 0; i < std::min(kShownUnits, model.missing.size()); ++i) {
    const Reference& name = model.missing[i].imports.front().reference;
    out += fmt::format("  {}@{} {}: {} tokens\n", name.schema, name.version, name.module,
                       model.missing[i].own_tokens);
  }
  if (model.missing.size() > kShownUnits) {
    out += fmt::format("  and {} more (--json names all)\n", model.missing.size() - kShownUnits);
  }
  return out;
}

}  // namespace

uint64_t CountMissing(std::span<const ModelCoverage> models) {
  uint64_t missing = 0;
  for (const ModelCoverage& model : models) missing += model.missing.size();
  return missing;
}

nlohmann::json CoverageToJson(std::span<const ModelCoverage> models) {
  nlohmann::json json = {{"models", nlohmann::json::array()}, {"missing", CountMissing(models)}};
  for (const ModelCoverage& model : models) json["models"].push_back(ModelToJson(model));
  return json;
}

std::string RenderCoverage(std::span<const ModelCoverage> models) {
  Table table({{"model"},
               {"schema"},
               {"encoding"},
               {"positions"},
               {"units", Align::kRight},
               {"stored", Align::kRight},
               {"missing", Align::kRight},
               {"tokens", Align::kRight},
               {"bytes", Align::kRight}});
  for (const ModelCoverage& model : models) AddRows(*model.plan, table);
  std::string out = table.Render();
  for (const ModelCoverage& model : models) out += RenderMissing(model);
  return out;
}

nlohmann::json OutcomeToJson(const std::string& model, const PrecomputeOutcome& outcome,
                             uint64_t stored_before) {
  return {{"model", model},
          {"encoded", outcome.encoded.units},
          {"stored_before", stored_before},
          {"by_others", outcome.by_others},
          {"tokens", outcome.encoded.tokens},
          {"bytes", outcome.encoded.bytes},
          {"seconds", outcome.seconds}};
}

std::string RenderOutcome(const std::string& model, const PrecomputeOutcome& outcome,
                          uint64_t stored_before) {
  std::string out =
      fmt::format("{}: encoded {} units ({} tokens, {}) in {:.1f} s; {} were stored before", model,
                  outcome.encoded.units, outcome.encoded.tokens, FormatBytes(outcome.encoded.bytes),
                  outcome.seconds, stored_before);
  if (outcome.by_others > 0) {
    out += fmt::format(", {} were stored meanwhile by other processes", outcome.by_others);
  }
  return out + "\n";
}

std::string ProgressText(const PrecomputeProgress& done, const PrecomputeProgress& total,
                         double seconds) {
  const uint64_t full = total.tokens == 0 ? kBarWidth : kBarWidth * done.tokens / total.tokens;
  std::string left = "?";
  if (done.tokens > 0) {
    left = FormatSeconds(seconds * static_cast<double>(total.tokens - done.tokens) /
                         static_cast<double>(done.tokens));
  }
  return fmt::format("[{}{}] {} of {} units, {} of {} tokens, {} of {}, {} left",
                     std::string(full, '#'), std::string(kBarWidth - full, '-'), done.units,
                     total.units, done.tokens, total.tokens, FormatBytes(done.bytes),
                     FormatBytes(total.bytes), left);
}

}  // namespace promptcache
