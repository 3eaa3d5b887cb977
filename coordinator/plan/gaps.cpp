#include "coordinator/plan/gaps.h"

#include <algorithm>

namespace promptcache {

Gaps::Gaps(const Layout& layout, const Selection& selection)
    : layout_(layout), selection_(selection) {
  for (const int32_t index : selection.containers) {
    const LayoutContainer& container = layout.containers[index];
    for (const LayoutRun& run : container.runs) occupied_.push_back({run.start, run.end()});
    for (const LayoutParam& param : container.params) {
      occupied_.push_back({param.start, param.end()});
    }
    // A module without own tokens occupies nothing, but text before it has to end there.
    if (container.runs.empty() && container.params.empty()) {
      occupied_.push_back({container.start, container.start});
    }
  }
  std::sort(occupied_.begin(), occupied_.end(), [](const Gap& a, const Gap& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
}

Position Gaps::BeginBehind(size_t reference) const {
  const size_t first = reference == 0 ? 1 : selection_.subtree_end[reference - 1];
  Position at = layout_.containers[selection_.top_level[reference]].start;
  for (size_t i = first; i < selection_.subtree_end[reference]; ++i) {
    const LayoutContainer& container = layout_.containers[selection_.containers[i]];
    if (!container.runs.empty()) at = std::max(at, container.runs.back().end());
    if (!container.params.empty()) at = std::max(at, container.params.back().end());
  }
  // Top-level references have one ancestor, the schema.
  const auto& runs = layout_.containers[0].runs;
  auto run = std::lower_bound(runs.begin(), runs.end(), at,
                              [](const LayoutRun& r, Position p) { return r.start < p; });
  for (; run != runs.end() && run->start == at; ++run) at = run->end();
  return at;
}

Gap Gaps::Behind(size_t reference) const {
  const Position begin = BeginBehind(reference);
  const auto next = std::upper_bound(occupied_.begin(), occupied_.end(), begin,
                                     [](Position p, const Gap& taken) { return p < taken.end; });
  const Position end = next == occupied_.end() ? layout_.length : next->begin;
  return {begin, std::max(begin, end)};
}

}  // namespace promptcache
