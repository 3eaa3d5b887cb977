#include <algorithm>
#include <map>

#include "coordinator/lint/lint_checks.h"

namespace promptcache::internal {
namespace {

void LintSmallModules(const Layout& layout, const LintOptions& options, Diagnostics& diagnostics) {
  for (const LayoutUnit& unit : layout.units) {
    const bool is_module = unit.set == kNone && layout.containers[unit.container].parent != kNone;
    if (!is_module || unit.tokens >= options.min_module_tokens) continue;
    diagnostics.Report(layout.containers[unit.container].offset, PmlId::kLintSmallModule, unit.path,
                       unit.tokens, options.min_module_tokens);
  }
}

void LintScaffolds(const Layout& layout, Diagnostics& diagnostics) {
  for (const LayoutContainer& container : layout.containers) {
    for (const LayoutParam& param : container.params) {
      if (param.scaffold.size() * 10 < uint64_t{param.length} * 9) continue;
      diagnostics.Report(container.offset, PmlId::kLintLongScaffold, param.name, container.path,
                         param.scaffold.size(), param.length);
    }
  }
}

struct UnionSizes {
  int32_t parent = kNone;
  Position longest = 0;
  Position shortest = 0;
  size_t offset = 0;  // of its longest member
};

void LintUnions(const Layout& layout, const LintOptions& options, Diagnostics& diagnostics) {
  std::map<int32_t, UnionSizes> unions;
  for (const LayoutContainer& member : layout.containers) {
    if (member.union_index == kNone) continue;
    const auto [found, is_new] = unions.try_emplace(
        member.union_index, UnionSizes{member.parent, member.length, member.length, member.offset});
    UnionSizes& sizes = found->second;
    if (member.length > sizes.longest) {
      sizes.longest = member.length;
      sizes.offset = member.offset;
    }
    sizes.shortest = std::min(sizes.shortest, member.length);
  }
  for (const auto& [index, sizes] : unions) {
    const Position wasted = sizes.longest - sizes.shortest;
    if (wasted < static_cast<Position>(options.wasted_positions) || 2 * wasted < sizes.longest) {
      continue;
    }
    diagnostics.Report(sizes.offset, PmlId::kLintWastedPositions,
                       layout.containers[sizes.parent].path, sizes.longest, sizes.shortest, wasted);
  }
}

void LintContext(const Layout& layout, const LintOptions& options, Diagnostics& diagnostics) {
  const uint64_t context = options.context_length;
  const auto length = static_cast<uint64_t>(layout.length);
  if (context == 0 || length * 10 < context * 9) return;
  diagnostics.Report(layout.containers[0].offset, PmlId::kLintNearContext, layout.schema,
                     layout.length, context, context - std::min(context, length));
}

}  // namespace

void LintSizes(const Layout& layout, const LintOptions& options, Diagnostics& diagnostics) {
  LintSmallModules(layout, options, diagnostics);
  LintScaffolds(layout, diagnostics);
  if (layout.positions == Positions::kPacked) return;
  LintUnions(layout, options, diagnostics);
  LintContext(layout, options, diagnostics);
}

}  // namespace promptcache::internal
