#include "worker/engine/key_ranges.h"

#include <algorithm>

namespace promptcache {

std::vector<KeyRange> BuildKeyRanges(const Plan& plan, std::span<const UnitPtr> units,
                                     std::span<const Position> positions) {
  std::vector<KeyRange> ranges;
  std::vector<int64_t> last_of_unit(units.size(), -1);  // index of its latest range
  for (const PlanSegment& segment : plan.segments) {
    // A new token never stands inside a segment, so it sees all of it or nothing.
    const auto first = std::lower_bound(positions.begin(), positions.end(), segment.first_position);
    if (first == positions.end()) continue;
    const int64_t first_query = first - positions.begin();
    int64_t& last = last_of_unit[segment.unit];
    if (last >= 0) {
      KeyRange& range = ranges[static_cast<size_t>(last)];
      const bool joins = range.first_query == first_query && range.shift == segment.shift &&
                         range.first_row + range.rows == int64_t{segment.first_row};
      if (joins) {
        range.rows += segment.rows;
        continue;
      }
    }
    last = static_cast<int64_t>(ranges.size());
    ranges.push_back({.kv = &units[segment.unit]->kv,
                      .first_row = segment.first_row,
                      .rows = segment.rows,
                      .shift = segment.shift,
                      .first_query = first_query,
                      .positions = units[segment.unit]->positions,
                      .arrival = units[segment.unit]->arrival.get()});
  }
  return ranges;
}

}  // namespace promptcache
