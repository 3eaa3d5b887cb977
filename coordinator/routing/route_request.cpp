#include "coordinator/routing/route_request.h"

#include "common/hash.h"

namespace promptcache {

uint64_t NameHash(const std::string& name) {
  return Xxh3_128({reinterpret_cast<const uint8_t*>(name.data()), name.size()}).low;
}

RouteRequest MakeRouteRequest(const Plan& plan, const std::vector<IdentityDigest>& identities,
                              uint64_t domain) {
  RouteRequest request;
  request.new_tokens = static_cast<uint32_t>(plan.new_tokens.size());
  for (const PlanUnit& unit : plan.units) request.unit_tokens.push_back(unit.tokens);
  for (const IdentityDigest& identity : identities) {
    std::vector<UnitKey>& keys = request.keys.emplace_back();
    for (const PlanUnit& unit : plan.units) {
      keys.push_back(MakeUnitKey(identity, domain, unit.digest));
    }
  }
  return request;
}

}  // namespace promptcache
