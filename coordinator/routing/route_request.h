// What routing knows of a request.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/types.h"

namespace promptcache {

struct RouteRequest {
  RequestId id;
  std::string affinity;  // "schema@version": what has a stable home
  // Of each unit of the plan: how many tokens it has, and its key under every identity of the
  // fleet (in the order of Fleet::identities).
  std::vector<uint32_t> unit_tokens;
  std::vector<std::vector<UnitKey>> keys;
  uint64_t identities_version = 0;  // Fleet::identities_version when they were made
  uint32_t new_tokens = 0;          // computed by every worker
  uint32_t slots = 1;               // one for each sample
  // Until its deadline.
  double time_left_s = std::numeric_limits<double>::infinity();
  double ahead_s = 0;  // of work that waits in the coordinator and goes first
};

// Of an affinity or the name of a worker, for rendezvous.
uint64_t NameHash(const std::string& name);

// The request for a plan whose units belong to `domain`.
RouteRequest MakeRouteRequest(const Plan& plan, const std::vector<IdentityDigest>& identities,
                              uint64_t domain);

}  // namespace promptcache
