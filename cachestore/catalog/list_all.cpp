#include "cachestore/limits.h"
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

Result<std::vector<MetaEntry>> MetaStore::List(const std::string& prefix, uint64_t limit_bytes) {
  std::vector<MetaEntry> all;
  MetaPageRequest request{.prefix = prefix, .limit_bytes = limit_bytes};
  for (;;) {
    Result<MetaPage> page = Page(request);
    if (page.status().code() == Code::kResourceExhausted) {
      return ResourceExhausted("the records whose key begins with '" + prefix +
                               "' do not fit into a list of " + std::to_string(limit_bytes) +
                               " bytes; list them in parts, by longer prefixes");
    }
    PC_RETURN_IF_ERROR(page.status());
    for (MetaEntry& entry : page->entries) {
      if (entry.key <= request.after) return Unavailable("the store lists records twice");
      request.after = entry.key;
      request.limit_bytes -= kMetaEntryOverhead + entry.key.size() + entry.value.size();
      all.push_back(std::move(entry));
    }
    if (!page->more) return all;
    if (page->entries.empty())
      return Unavailable("the store says that more records follow, and none do");
  }
}

}  // namespace promptcache
