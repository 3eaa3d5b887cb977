// Reads blobs over a bare tcp connection (stream_frames.h). Internal to cachestore/service.
#pragma once

#include <memory>

#include "cachestore/service/remote_link.h"
#include "cachestore/store.h"
#include "cluster/wire/messages.h"

namespace promptcache {

// A blob through one of the link's streams, in messages where there is none. Every byte is checked
// before it is handed out. A stream that breaks, or brings what is damaged, is left, and the rest
// comes in messages: the store then looks at what it has itself. The errors of BlobStore::Open, and
// kUnavailable. Of `fetch` the key and how to read.
Result<std::unique_ptr<BlobReader>> OpenStreamedBlob(std::shared_ptr<RemoteLink> link,
                                                     const FetchBlob& fetch);

}  // namespace promptcache
