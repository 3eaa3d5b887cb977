// What a tenant may have at once, from lines such as "acme requests=64 bytes=10GiB pinned=1GiB".
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

// What a line does not say has no limit.
struct TenantLimit {
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  uint64_t requests = kNone;      // in a coordinator
  uint64_t bytes = kNone;         // of units in a cachestore that are this tenant's alone
  uint64_t pinned_bytes = kNone;  // of these, pinned ones
  bool operator==(const TenantLimit&) const = default;
};

// A value; without lines nobody has limits.
class TenantLimits {
 public:
  // kInvalidArgument naming the line and what is wrong with it. "*" is every tenant without a line
  // of its own; the one without a name has no limits.
  static Result<TenantLimits> Parse(const std::vector<std::string>& lines);

  TenantLimit Of(const std::string& tenant) const;

 private:
  std::map<std::string, TenantLimit> tenants_;  // and "*"
};

}  // namespace promptcache
