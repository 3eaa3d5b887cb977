#include "coordinator/routing/routing.h"

#include <tuple>

#include "common/hash.h"

namespace promptcache {
namespace {

uint64_t RendezvousHash(const std::string& key, const std::string& worker) {
  const std::string joined = key + '\0' + worker;
  return Xxh3_128({reinterpret_cast<const uint8_t*>(joined.data()), joined.size()}).low;
}

// Segments say how many rows of each unit the plan reads.
std::vector<uint64_t> RowsByUnit(const Plan& plan) {
  std::vector<uint64_t> rows(plan.units.size());
  for (const PlanSegment& segment : plan.segments) rows[segment.unit] += segment.rows;
  return rows;
}

uint64_t HeldTokens(const Plan& plan, const std::vector<uint64_t>& rows,
                    const RouteWorker& worker) {
  uint64_t held = 0;
  for (size_t i = 0; i < plan.units.size(); ++i) {
    const UnitKey key = MakeUnitKey(worker.identity, 0, plan.units[i].digest);
    if (worker.resident->contains(key)) held += rows[i];
  }
  return held;
}

}  // namespace

std::optional<RouteDecision> ChooseWorker(const RouteQuery& query,
                                          std::span<const RouteWorker> workers) {
  if (workers.empty()) return std::nullopt;
  const std::vector<uint64_t> rows = RowsByUnit(*query.plan);
  RouteDecision decision;
  for (const RouteWorker& worker : workers) {
    decision.scores.push_back(
        {.worker = worker.name,
         .has_slots = query.slots <= worker.slots,
         .has_free_slots = uint64_t{worker.assigned} + query.slots <= worker.slots,
         .held_tokens = HeldTokens(*query.plan, rows, worker),
         .tie = RendezvousHash(query.affinity, worker.name)});
  }
  const auto rank = [&](size_t i) {
    const RouteScore& score = decision.scores[i];
    return std::make_tuple(score.has_slots, score.has_free_slots, score.held_tokens, score.tie);
  };
  for (size_t i = 1; i < workers.size(); ++i) {
    if (rank(i) > rank(decision.chosen)) decision.chosen = i;
  }
  if (!decision.scores[decision.chosen].has_slots) return std::nullopt;
  return decision;
}

}  // namespace promptcache
