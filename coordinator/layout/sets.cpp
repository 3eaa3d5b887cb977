#include "coordinator/layout/sets.h"

#include <algorithm>
#include <set>

namespace promptcache {
namespace {

// The container that a path of names leads to.
int32_t Resolve(const Layout& layout, std::string_view path) {
  int32_t at = 0;
  while (at != kNone && !path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    at = layout.FindChild(at, path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return at;
}

// The innermost container around all members; none of them, even if it has others inside.
int32_t Enclosing(const Layout& layout, const std::vector<int32_t>& members) {
  std::vector<int32_t> common = layout.PathTo(layout.containers[members.front()].parent);
  for (const int32_t member : members) {
    const std::vector<int32_t> path = layout.PathTo(layout.containers[member].parent);
    const auto split = std::mismatch(common.begin(), common.end(), path.begin(), path.end());
    common.erase(split.first, common.end());
  }
  return common.back();
}

// Runs and slots of the members, and those behind the first member of what encloses them.
void CollectText(const Layout& layout, LayoutSet& set) {
  std::set<int32_t> around;
  for (const int32_t member : set.members) {
    for (const int32_t c : layout.PathTo(member)) around.insert(c);
  }
  const Position first = layout.containers[set.members.front()].start;
  for (const int32_t c : around) {
    const LayoutContainer& container = layout.containers[c];
    for (size_t i = 0; i < container.runs.size(); ++i) {
      if (container.runs[i].start < first) continue;
      set.runs.push_back({.container = c, .run = static_cast<int32_t>(i)});
    }
    for (size_t i = 0; i < container.params.size(); ++i) {
      if (container.params[i].start < first || container.params[i].scaffold.empty()) continue;
      set.slots.push_back({.container = c, .param = static_cast<int32_t>(i)});
    }
  }
  std::sort(set.runs.begin(), set.runs.end(), [&](const RunRef& a, const RunRef& b) {
    return layout.containers[a.container].runs[a.run].start <
           layout.containers[b.container].runs[b.run].start;
  });
  std::sort(set.slots.begin(), set.slots.end(), [&](const ParamRef& a, const ParamRef& b) {
    return layout.containers[a.container].params[a.param].start <
           layout.containers[b.container].params[b.param].start;
  });
}

// Kept only as long as all its members are.
Lifetime LifetimeOf(const Layout& layout, const LayoutSet& set) {
  Lifetime lifetime{.pinned = true};
  for (const int32_t member : set.members) {
    const Lifetime& one = layout.containers[member].lifetime;
    lifetime.pinned = lifetime.pinned && one.pinned;
    if (one.ttl_ms > 0 && (lifetime.ttl_ms == 0 || one.ttl_ms < lifetime.ttl_ms)) {
      lifetime.ttl_ms = one.ttl_ms;
    }
  }
  return lifetime;
}

std::string PathOf(const Layout& layout, const LayoutSet& set) {
  std::string path = layout.schema + "/{";
  for (const int32_t member : set.members) {
    if (member != set.members.front()) path += ' ';
    path += layout.containers[member].path.substr(layout.schema.size() + 1);
  }
  return path + '}';
}

void AddUnit(const Recipe& recipe, Layout& layout, LayoutSet& set) {
  const std::vector<Position> positions = recipe.RowPositions();
  size_t row = 0;
  for (RunRef& run : set.runs) {
    run.local = positions[row];
    row += layout.containers[run.container].runs[run.run].ids.size();
  }
  set.unit = static_cast<int32_t>(layout.units.size());
  const RunRef& first = set.runs.front();
  layout.units.push_back({.set = static_cast<int32_t>(layout.sets.size()),
                          .path = PathOf(layout, set),
                          .start = layout.containers[first.container].runs[first.run].start,
                          .tokens = recipe.rows(),
                          .context_tokens = static_cast<uint32_t>(recipe.context.size()),
                          .digest = recipe.Digest(),
                          .lifetime = LifetimeOf(layout, set)});
}

}  // namespace

void MakeSets(const SchemaDocument& document, uint64_t max_tokens, Layout& layout,
              Diagnostics& diagnostics) {
  uint64_t tokens = 0;
  for (const SchemaSet& source : document.sets) {
    LayoutSet set{.offset = source.offset};
    for (const std::string& member : source.members) set.members.push_back(Resolve(layout, member));
    std::sort(set.members.begin(), set.members.end());
    set.enclosing = Enclosing(layout, set.members);
    CollectText(layout, set);
    if (!set.runs.empty()) {
      const Recipe recipe = layout.RecipeOf(set);
      tokens += recipe.context.size() + recipe.own.size();
      if (tokens > max_tokens) {
        return diagnostics.Report(source.offset, PmlId::kLimitSetTokens, max_tokens);
      }
      AddUnit(recipe, layout, set);
    }
    layout.sets.push_back(std::move(set));
  }
}

}  // namespace promptcache
