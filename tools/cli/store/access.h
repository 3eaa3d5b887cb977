// A cachestore through its daemon, or its directory while no daemon runs.
#pragma once

#include <memory>
#include <string>

#include "cachestore/admin.h"
#include "cachestore/store.h"
#include "tools/cli/commands.h"

namespace promptcache {

// Which store a command is about.
struct StoreTarget {
  std::string endpoint;   // of a running cachestore; empty: store.endpoint
  std::string directory;  // instead: opened by this process
  bool json = false;      // how it prints
};

class StoreAccess {
 public:
  virtual ~StoreAccess() = default;
  virtual BlobStore& blobs() = 0;
  virtual StoreAdmin& admin() = 0;
  virtual MetaStore& meta() = 0;
  // A directory opened for looking has no `read_only`: that is this process's choice.
  virtual Result<StoreStats> Stats() { return blobs().Stats(); }
  // What opening it changed, as a sentence; empty: nothing.
  virtual std::string opening() const = 0;
};

// A directory is opened for reading only when it is for looking, so that nothing in it changes;
// only for filling may it be one without a store. A daemon does all of it.
enum class OpenFor : uint8_t { kLooking, kChanging, kFilling };

// The other options of a directory are those of [store] in the settings. kNotFound when there is no
// store in the directory, kInvalidArgument for an endpoint that is none; the errors of
// cachestore/disk/open.h.
Result<std::unique_ptr<StoreAccess>> OpenStoreAccess(const CommandContext& context,
                                                     const StoreTarget& target, OpenFor purpose);

}  // namespace promptcache
