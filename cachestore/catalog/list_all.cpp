#include "cachestore/store.h"

namespace promptcache {

Result<std::vector<BlobInfo>> ListAll(BlobStore& store) {
  std::vector<BlobInfo> all;
  BlobPageRequest request;
  for (;;) {
    PC_ASSIGN_OR_RETURN(BlobPage page, store.List(request));
    for (BlobInfo& blob : page.blobs) {
      const bool ascending = !request.after || *request.after < blob.key;
      if (!ascending) return Unavailable("the store lists blobs twice");
      request.after = blob.key;
      all.push_back(std::move(blob));
    }
    if (!page.more) return all;
    if (page.blobs.empty())
      return Unavailable("the store says that more blobs follow, and none do");
  }
}

}  // namespace promptcache
