// What a plan is put together from. Internal to coordinator/plan.
#pragma once

#include <span>

#include "coordinator/layout/layout.h"

namespace promptcache {

// Tokens that the plan has at contiguous positions.
struct PlanPiece {
  // At one schema position, text between references stands before what begins there.
  enum class Rank : uint8_t { kTextBetween, kOther };

  Position start = 0;  // in the schema, then in the plan
  Rank rank = Rank::kOther;
  int32_t unit = kNone;    // index in Layout::units; none: computed
  uint32_t first_row = 0;  // of the unit
  Position local = 0;      // of the first row in the unit's recipe
  std::span<const TokenId> ids;

  bool cached() const { return unit != kNone; }
  uint32_t size() const { return static_cast<uint32_t>(ids.size()); }
  Position end() const { return start + static_cast<Position>(ids.size()); }
  Position shift() const { return start - local; }

  // The first `count` tokens, to be computed.
  PlanPiece Computed(uint32_t count) const { return {.start = start, .ids = ids.first(count)}; }
  // What is left without the first `count` tokens.
  PlanPiece Without(uint32_t count) const {
    PlanPiece rest = *this;
    rest.start += static_cast<Position>(count);
    rest.local += static_cast<Position>(count);
    rest.first_row += count;
    rest.ids = ids.subspan(count);
    return rest;
  }
  // Whether both are one run of cached tokens: next to each other in the plan and in the unit.
  bool Continues(const PlanPiece& before) const {
    return cached() && unit == before.unit && shift() == before.shift() &&
           first_row == before.first_row + before.size() && start == before.end();
  }
};

}  // namespace promptcache
