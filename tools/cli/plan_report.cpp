#include "tools/cli/plan_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "tools/cli/stages.h"

namespace promptcache {
namespace {

using nlohmann::json;

// The layout's unit of each of the plan's.
std::vector<const LayoutUnit*> UnitsOf(const Layout& layout, const Plan& plan) {
  std::unordered_map<std::string, const LayoutUnit*> by_path;
  for (const LayoutUnit& unit : layout.units) {
    by_path.emplace(unit.digest.ToHex() + unit.path, &unit);
  }
  std::vector<const LayoutUnit*> units;
  for (const PlanUnit& unit : plan.units) {
    units.push_back(by_path.at(unit.digest.ToHex() + unit.path));
  }
  return units;
}

std::vector<TokenId> RowsOf(const Recipe& recipe) {
  std::vector<TokenId> rows;
  uint32_t done = 0;
  const auto append = [&](uint32_t end) {
    rows.insert(rows.end(), recipe.own.ids.begin() + done, recipe.own.ids.begin() + end);
  };
  for (const RowRange& range : recipe.hidden) {
    append(range.first);
    done = range.end();
  }
  append(static_cast<uint32_t>(recipe.own.size()));
  return rows;
}

json UnitToJson(const Layout& layout, const LayoutUnit& unit,
                const std::optional<Identity>& identity) {
  const EncodingMode mode = unit.set == kNone ? layout.encoding : EncodingMode::kScaffoldSet;
  json out = {{"path", unit.path},
              {"digest", unit.digest.ToHex()},
              {"start", unit.start},
              {"tokens", unit.tokens},
              {"context", unit.context_tokens},
              {"mode", std::string(EncodingModeName(mode))},
              {"ttl_ms", unit.lifetime.ttl_ms},
              {"pinned", unit.lifetime.pinned}};
  if (identity) out["key"] = MakeUnitKey(identity->Digest(), 0, unit.digest).ToHex();
  return out;
}

}  // namespace

std::vector<PlanToken> TokensOf(const Layout& layout, const Plan& plan) {
  const auto units = UnitsOf(layout, plan);
  std::vector<std::vector<TokenId>> rows;
  for (const LayoutUnit* unit : units) rows.push_back(RowsOf(layout.RecipeOf(*unit)));
  std::vector<PlanToken> tokens;
  for (const PlanSegment& segment : plan.segments) {
    for (uint32_t i = 0; i < segment.rows; ++i) {
      tokens.push_back({.id = rows[segment.unit][segment.first_row + i],
                        .position = segment.first_position + static_cast<Position>(i),
                        .unit = segment.unit});
    }
  }
  for (size_t i = 0; i < plan.new_tokens.size(); ++i) {
    tokens.push_back({.id = plan.new_tokens.ids[i], .position = plan.new_tokens.positions[i]});
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const PlanToken& a, const PlanToken& b) { return a.position < b.position; });
  return tokens;
}

json PlanReport(const Layout& layout, const Plan& plan, const Tokenizer& tokenizer,
                const std::optional<Identity>& identity) {
  json tokens = json::array();
  for (const PlanToken& token : TokensOf(layout, plan)) {
    tokens.push_back({{"text", TokenText(tokenizer, token.id)},
                      {"id", token.id},
                      {"position", token.position},
                      {"source", token.unit ? "cached" : "new"},
                      {"unit", token.unit ? json(plan.units[*token.unit].path) : json()}});
  }
  json units = json::array();
  for (const LayoutUnit* unit : UnitsOf(layout, plan)) {
    units.push_back(UnitToJson(layout, *unit, identity));
  }
  return {{"length", layout.length},
          {"next_position", plan.next_position},
          {"cached_tokens", plan.cached_tokens()},
          {"computed_tokens", plan.new_tokens.size()},
          {"repair", std::string(RepairName(plan.repair))},
          {"linked_tokens", plan.linked_tokens},
          {"repaired_tokens", plan.repaired_tokens},
          {"tokens", std::move(tokens)},
          {"units", std::move(units)}};
}

}  // namespace promptcache
