#include "coordinator/lint/diff.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace promptcache {
namespace {

// Names of parts of a unit's recipe, computed for all containers at once. Packed positions follow
// from the tokens, so that they leave distances out; independent encoding leaves the context out.
class Parts {
 public:
  explicit Parts(const Layout& layout)
      : all_(layout.Reencoded(Positions::kPacked, layout.encoding)),
        own_(layout.Reencoded(Positions::kPacked, EncodingMode::kIndependent)) {}

  const RecipeDigest& Tokens(const LayoutUnit& unit) const { return DigestIn(all_, unit); }
  const RecipeDigest& Own(const LayoutUnit& unit) const { return DigestIn(own_, unit); }
  // Own tokens of the recipe, hidden ones too.
  uint32_t OwnTokens(const LayoutUnit& unit) const {
    const LayoutRun& last = all_.containers[unit.container].runs.back();
    return static_cast<uint32_t>(last.local) + static_cast<uint32_t>(last.ids.size());
  }

 private:
  static const RecipeDigest& DigestIn(const Layout& layout, const LayoutUnit& unit) {
    return layout.units[layout.containers[unit.container].unit].digest;
  }

  const Layout all_;
  const Layout own_;
};

// Which part of the recipe makes the difference, looked at from the unit outwards.
UnitChange WhySetChanged(const Recipe& before, const Recipe& after) {
  if (before.own.ids != after.own.ids || before.hidden != after.hidden) {
    return UnitChange::kChanged;
  }
  return before.context.ids != after.context.ids ? UnitChange::kContext : UnitChange::kMoved;
}

class Differ {
 public:
  Differ(const Layout& before, const Layout& after)
      : before_(before), after_(after), old_parts_(before), new_parts_(after) {}

  UnitChange Why(const LayoutUnit& old, const LayoutUnit& now) const {
    if (old.set != kNone || now.set != kNone) {
      return WhySetChanged(before_.RecipeOf(old), after_.RecipeOf(now));
    }
    if (old_parts_.Own(old) != new_parts_.Own(now)) return UnitChange::kChanged;
    const bool same_tokens = old_parts_.Tokens(old) == new_parts_.Tokens(now);
    return same_tokens ? UnitChange::kMoved : UnitChange::kContext;
  }

  uint32_t OwnTokens(const LayoutUnit& now) const {
    return now.set == kNone ? new_parts_.OwnTokens(now)
                            : static_cast<uint32_t>(after_.RecipeOf(now).own.size());
  }

 private:
  const Layout& before_;
  const Layout& after_;
  const Parts old_parts_;
  const Parts new_parts_;
};

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
  const Differ differ(before, after);
  std::vector<UnitDiff> diffs;
  std::unordered_set<std::string> here;
  for (const LayoutUnit& unit : after.units) {
    here.insert(unit.path);
    UnitDiff diff{.path = unit.path, .tokens = unit.tokens, .context_tokens = unit.context_tokens};
    const auto old = old_by_path.find(unit.path);
    if (!old_digests.contains(unit.digest)) {
      diff.change = old == old_by_path.end() ? UnitChange::kAdded : differ.Why(*old->second, unit);
      diff.encode_tokens = differ.OwnTokens(unit);
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
