// What a server under test serves.
#pragma once

#include "cachestore/memory/memory_store.h"
#include "cachestore/service/store_server.h"

namespace promptcache::testing {

// Stores that operators cannot ask get the operators' side of an empty one.
inline StoreParts PartsOf(BlobStore& blobs, MetaStore* meta) {
  static MemoryBlobStore* const empty = new MemoryBlobStore();
  auto* admin = dynamic_cast<StoreAdmin*>(&blobs);
  return {.blobs = blobs, .admin = admin != nullptr ? *admin : *empty, .meta = meta};
}

}  // namespace promptcache::testing
