#include "coordinator/plan/linked.h"

#include <algorithm>

namespace promptcache {
namespace {

bool SawNothingBefore(const Layout& layout, const PlanPiece& piece) {
  return piece.cached() && piece.first_row == 0 && layout.units[piece.unit].context_tokens == 0;
}

}  // namespace

std::vector<PlanPiece> LinkRuns(const Layout& layout, const std::vector<PlanPiece>& pieces,
                                uint32_t linked_tokens) {
  std::vector<PlanPiece> linked;
  linked.reserve(2 * pieces.size());
  uint32_t left = 0;  // to compute of the current run
  for (size_t i = 0; i < pieces.size(); ++i) {
    const PlanPiece& piece = pieces[i];
    if (!piece.cached()) {
      linked.push_back(piece);
      continue;
    }
    if (i == 0) {
      left = SawNothingBefore(layout, piece) ? 0 : linked_tokens;
    } else if (!piece.Continues(pieces[i - 1])) {
      left = linked_tokens;
    }
    const uint32_t count = std::min(left, piece.size());
    if (count > 0) linked.push_back(piece.Computed(count));
    if (count < piece.size()) linked.push_back(piece.Without(count));
    left -= count;
  }
  return linked;
}

}  // namespace promptcache
