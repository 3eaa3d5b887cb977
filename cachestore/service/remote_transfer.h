// Blobs on their way from and to a store server. Internal to cachestore/service.
#pragma once

#include <memory>

#include "cachestore/service/remote_link.h"
#include "cachestore/service/wire.h"
#include "cachestore/store.h"

namespace promptcache {

// The errors of BlobStore::Open and StartPut, and kUnavailable. Of `fetch` the key, how to read,
// and where the first read likely begins.
Result<std::unique_ptr<BlobReader>> OpenRemoteBlob(std::shared_ptr<RemoteLink> link,
                                                   const FetchBlob& fetch);
Result<std::unique_ptr<BlobWriter>> StartRemotePut(std::shared_ptr<RemoteLink> link,
                                                   const PutRequest& put);

inline Status UnexpectedAnswer() {
  return Unavailable("the cachestore gave an answer of another kind");
}

}  // namespace promptcache
