#include "cachestore/store.h"

namespace promptcache {

Result<std::vector<BlobInfo>> ListAll(BlobStore& store) {
  std::vector<BlobInfo> all;
  BlobPageRequest request;
  for (;;) {
    PC_ASSIGN_OR_RETURN(BlobPage page, store.List(request));
    for (BlobInfo& blob : page.blobs) all.push_back(std::move(blob));
    if (!page.more || all.empty()) return all;
    request.after = all.back().key;
  }
}

}  // namespace promptcache
