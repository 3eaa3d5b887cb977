// The secret in the keys of a tenant's own units: one for all coordinators. Internal to
// coordinator/.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "coordinator/meta_client.h"

namespace promptcache {

// Belongs to the reactor thread.
class TenantDomains {
 public:
  // `meta` outlives it; null: what is drawn here holds as long as this.
  explicit TenantDomains(MetaClient* meta) : meta_(meta) {}

  // 0 for the tenant without a name, whose units are everybody's; else never 0. Drawn at random
  // when it is asked for first, and kept in the store. kUnavailable when it is not known here and
  // the store cannot be reached.
  using Callback = std::function<void(Result<uint64_t>)>;
  void Find(const std::string& tenant, const Callback& done);

 private:
  void Ask(const std::string& tenant, int attempts, const Callback& done);

  MetaClient* const meta_;
  std::map<std::string, uint64_t> known_;
};

}  // namespace promptcache
