// What `promptcache bench fidelity` shows.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/version.h"
#include "tools/bench/fidelity.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

using nlohmann::json;

struct Column {
  const char* name;  // in JSON
  Series FidelityCell::*series;
};
constexpr Column kColumns[] = {
    {"kl_first", &FidelityCell::kl_first},   {"kl", &FidelityCell::kl},
    {"agreement", &FidelityCell::agreement}, {"delta_nll", &FidelityCell::delta_nll},
    {"kl_layout", &FidelityCell::kl_layout}, {"share", &FidelityCell::share},
    {"ttft_ms", &FidelityCell::ttft_ms}};

json CellToJson(const FidelityCell& cell) {
  json out = {{"modules", cell.modules},
              {"tokens", cell.tokens},
              {"repair", std::string(RepairName(cell.repair))},
              {"linked_tokens", cell.linked_tokens}};
  if (cell.repair != Repair::kFull) {
    out["encoding"] = std::string(EncodingModeName(cell.encoding));
    out["kv_layout"] = std::string(cell.kv_layout);
  }
  for (const auto& [name, member] : kColumns) {
    const Series& series = cell.*member;
    const std::string prefix = name;
    out[prefix + "_mean"] = series.mean();
    out[prefix + "_median"] = series.median();
    out[prefix + "_min"] = series.minimum();
    out[prefix + "_max"] = series.maximum();
  }
  return out;
}

// "0.081 (0.070–0.093)"
std::string MeanAndSpread(const Series& series) {
  return fmt::format("{:.3f} ({:.3f}–{:.3f})", series.mean(), series.minimum(), series.maximum());
}

std::string RepairText(const FidelityCell& cell) {
  if (cell.repair != Repair::kLinked) return std::string(RepairName(cell.repair));
  return fmt::format("linked {}", cell.linked_tokens);
}

}  // namespace

json FidelityToJson(const FidelityReport& report) {
  const FidelityOptions& options = report.options;
  json cells = json::array();
  for (const FidelityCell& cell : report.cells) cells.push_back(CellToJson(cell));
  return {{"build_type", kBuildType},           {"version", kVersion},
          {"weights", report.identity.weights}, {"dtype", report.identity.dtype},
          {"samples", options.samples},         {"seed", options.seed},
          {"new_tokens", options.new_tokens},   {"continuation", options.continuation},
          {"cells", std::move(cells)},          {"skipped", report.skipped}};
}

std::string RenderFidelity(const FidelityReport& report) {
  std::string out = fmt::format(
      "reuse against full prefill: {}, {} texts of each size, {} new tokens, {} positions "
      "compared, "
      "seed {}; mean (smallest–largest)\n",
      report.identity.dtype, report.options.samples, report.options.new_tokens,
      report.options.continuation, report.options.seed);
  Table table({{"modules", Align::kRight},
               {"tokens", Align::kRight},
               {"encoding"},
               {"repair"},
               {"layout"},
               {"KL first token", Align::kRight},
               {"KL mean", Align::kRight},
               {"same top token", Align::kRight},
               {"NLL change", Align::kRight},
               {"KL of layout", Align::kRight},
               {"recomputed", Align::kRight},
               {"first token after", Align::kRight}});
  for (const FidelityCell& cell : report.cells) {
    const bool full = cell.repair == Repair::kFull;
    table.AddRow({std::to_string(cell.modules), std::to_string(cell.tokens),
                  full ? "-" : std::string(EncodingModeName(cell.encoding)), RepairText(cell),
                  full ? "-" : std::string(cell.kv_layout), MeanAndSpread(cell.kl_first),
                  MeanAndSpread(cell.kl), fmt::format("{:.1f} %", 100 * cell.agreement.mean()),
                  fmt::format("{:+.3f}", cell.delta_nll.mean()),
                  fmt::format("{:.5f}", cell.kl_layout.mean()),
                  fmt::format("{:.1f} %", 100 * cell.share.mean()),
                  FormatMs(cell.ttft_ms.median())});
  }
  out += table.Render();
  for (const std::string& skipped : report.skipped) out += "left out: " + skipped + "\n";
  return out;
}

}  // namespace promptcache
