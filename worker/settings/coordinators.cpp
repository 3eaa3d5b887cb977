#include "worker/settings/coordinators.h"

#include <set>

namespace promptcache {

Status CheckCoordinators(const std::vector<std::string>& endpoints) {
  if (endpoints.empty()) {
    return InvalidArgument("worker.coordinator_endpoints is empty: name one coordinator or more");
  }
  std::set<std::string> seen;
  for (const std::string& endpoint : endpoints) {
    if (seen.insert(endpoint).second) continue;
    return InvalidArgument("worker.coordinator_endpoints names '" + endpoint + "' twice");
  }
  return {};
}

}  // namespace promptcache
