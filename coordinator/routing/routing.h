// Which worker gets a request. A pure policy: everything it knows is in its arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/types.h"

namespace promptcache {

struct RouteWorker {
  std::string name;
  IdentityDigest identity;
  uint32_t slots = 0;
  uint32_t assigned = 0;  // slots of the requests given to it and not finished
  const std::unordered_set<UnitKey>* resident = nullptr;
};

struct RouteQuery {
  std::string affinity;  // "schema@version": what ties are hashed by
  const Plan* plan = nullptr;
  uint32_t slots = 1;  // that it takes: one for each sample
};

struct RouteScore {
  std::string worker;
  bool has_slots = false;       // enough, free or not
  bool has_free_slots = false;  // enough
  uint64_t held_tokens = 0;     // of the plan, in the worker's memory
  uint64_t tie = 0;             // rendezvous hash
};

struct RouteDecision {
  size_t chosen = 0;               // index into the workers
  std::vector<RouteScore> scores;  // of all workers, in their order
};

// Of the workers with slots enough: one where they are free before one where they are not; then the
// one that holds most of the plan's tokens; then the highest rendezvous hash, so that a schema has
// a stable home and the death of a worker moves only its own schemas. nullopt when no worker has
// slots enough.
std::optional<RouteDecision> ChooseWorker(const RouteQuery& query,
                                          std::span<const RouteWorker> workers);

}  // namespace promptcache
