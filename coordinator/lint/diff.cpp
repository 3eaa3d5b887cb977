#include "coordinator/lint/diff.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace promptcache {
namespace {

// Which part of the recipe makes the difference, looked at from the unit outwards.
UnitChange WhyChanged(const Recipe& before, const Recipe& after) {
  if (before.own.ids != after.own.ids || before.hidden != after.hidden ||
      before.mode != after.mode) {
    return UnitChange::kChanged;
  }
  return before.context.ids != after.context.ids ? UnitChange::kContext : UnitChange::kMoved;
}

}  // namespace

std::string_view UnitChangeName(UnitChange change) {
  static constexpr std::string_view kNames[] = {"kept",    "added",   "removed",
                                                "changed", "context", "moved"};
  return kNames[static_cast<size_t>(change)];
}

std::vector<UnitDiff> DiffUnits(const Layout& before, const Layout& after) {
  std::unordered_map<std::string, const LayoutUnit*> old_by_path;
  std::unordered_set<RecipeDigest> old_digests;
  for (const LayoutUnit& unit : before.units) {
    old_by_path.emplace(unit.path, &unit);
    old_digests.insert(unit.digest);
  }
  std::vector<UnitDiff> diffs;
  std::unordered_set<std::string> here;
  for (const LayoutUnit& unit : after.units) {
    here.insert(unit.path);
    UnitDiff diff{.path = unit.path, .tokens = unit.tokens, .context_tokens = unit.context_tokens};
    const auto old = old_by_path.find(unit.path);
    if (!old_digests.contains(unit.digest)) {
      diff.change = old == old_by_path.end()
                        ? UnitChange::kAdded
                        : WhyChanged(before.RecipeOf(*old->second), after.RecipeOf(unit));
      diff.encode_tokens = static_cast<uint32_t>(after.RecipeOf(unit).own.size());
    }
    diffs.push_back(std::move(diff));
  }
  for (const LayoutUnit& unit : before.units) {
    if (here.contains(unit.path)) continue;
    diffs.push_back({.path = unit.path,
                     .change = UnitChange::kRemoved,
                     .tokens = unit.tokens,
                     .context_tokens = unit.context_tokens});
  }
  return diffs;
}

uint64_t EncodeTokens(const std::vector<UnitDiff>& diffs) {
  uint64_t own = 0;
  uint32_t context = 0;
  for (const UnitDiff& diff : diffs) {
    if (diff.encode_tokens == 0) continue;
    own += diff.encode_tokens;
    context = std::max(context, diff.context_tokens);
  }
  return own + context;
}

}  // namespace promptcache
