// A cachestore through its daemon, or its directory while no daemon runs.
#pragma once

#include <memory>
#include <string>

#include "cachestore/store.h"
#include "tools/cli/commands.h"

namespace promptcache {

class StoreAccess {
 public:
  virtual ~StoreAccess() = default;
  virtual BlobStore& blobs() = 0;
};

// The directory when one is given (read-only), else the endpoint, else the configured endpoint.
Result<std::unique_ptr<StoreAccess>> OpenStoreAccess(const CommandContext& context,
                                                     const std::string& endpoint,
                                                     const std::string& directory);

}  // namespace promptcache
