#include "coordinator/plan/coverage.h"

#include <algorithm>

namespace promptcache {
namespace {

std::vector<CoveredRun> OwnRuns(const Layout& layout, std::span<const int32_t> containers) {
  size_t count = 0;
  for (const int32_t index : containers) count += layout.containers[index].runs.size();
  std::vector<CoveredRun> covered;
  covered.reserve(count);
  for (const int32_t index : containers) {
    const LayoutContainer& container = layout.containers[index];
    uint32_t row = 0;
    for (const LayoutRun& run : container.runs) {
      covered.push_back({.run = &run,
                         .container = index,
                         .unit = container.unit,
                         .first_row = row,
                         .local = run.local});
      row += static_cast<uint32_t>(run.ids.size());
    }
  }
  return covered;
}

// Where each imported container's runs begin in the list of all.
class FirstRuns {
 public:
  FirstRuns(const Layout& layout, std::span<const int32_t> containers) {
    uint32_t first = 0;
    for (const int32_t index : containers) {
      entries_.push_back({index, first});
      first += static_cast<uint32_t>(layout.containers[index].runs.size());
    }
    std::sort(entries_.begin(), entries_.end());
  }

  bool Has(int32_t container) const { return Find(container) != entries_.end(); }
  uint32_t Of(int32_t container) const { return Find(container)->second; }

 private:
  using Entries = std::vector<std::pair<int32_t, uint32_t>>;

  Entries::const_iterator Find(int32_t container) const {
    const auto found = std::lower_bound(entries_.begin(), entries_.end(),
                                        std::pair<int32_t, uint32_t>(container, 0));
    return found != entries_.end() && found->first == container ? found : entries_.end();
  }

  Entries entries_;
};

void ApplySet(const Layout& layout, const LayoutSet& set, const FirstRuns& first_runs,
              std::vector<CoveredRun>& covered) {
  uint32_t row = 0;
  for (const RunRef& ref : set.runs) {
    CoveredRun& entry = covered[first_runs.Of(ref.container) + static_cast<uint32_t>(ref.run)];
    const bool replaced = layout.units[entry.unit].set != kNone;
    if (!replaced) {
      entry.unit = set.unit;
      entry.first_row = row;
      entry.local = ref.local;
    }
    row += static_cast<uint32_t>(entry.run->ids.size());
  }
}

}  // namespace

std::vector<CoveredRun> CoverRuns(const Layout& layout, std::span<const int32_t> containers) {
  std::vector<CoveredRun> covered = OwnRuns(layout, containers);
  if (layout.sets.empty()) return covered;
  const FirstRuns first_runs(layout, containers);
  std::vector<const LayoutSet*> apply;
  for (const LayoutSet& set : layout.sets) {
    const bool imported = std::all_of(set.members.begin(), set.members.end(),
                                      [&](int32_t member) { return first_runs.Has(member); });
    if (imported && set.unit != kNone) apply.push_back(&set);
  }
  std::stable_sort(apply.begin(), apply.end(), [&](const LayoutSet* a, const LayoutSet* b) {
    return layout.units[a->unit].tokens > layout.units[b->unit].tokens;
  });
  for (const LayoutSet* set : apply) ApplySet(layout, *set, first_runs, covered);
  return covered;
}

}  // namespace promptcache
