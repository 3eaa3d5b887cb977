#include "cachestore/limits.h"
#include "cachestore/memory/memory_store.h"
#include "cachestore/meta_page.h"

namespace promptcache {

uint64_t MemoryMetaStore::RevisionOf(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? 0 : found->second.revision;
}

Status MemoryMetaStore::CheckRevisions(const std::string& key, uint64_t expected,
                                       const MetaFence& fence) const {
  if (!fence.key.empty() && RevisionOf(fence.key) != fence.revision) {
    return WrongRevision(fence.key, fence.revision, RevisionOf(fence.key));
  }
  const uint64_t revision = RevisionOf(key);
  return revision == expected ? Status() : WrongRevision(key, expected, revision);
}

Result<std::optional<MetaEntry>> MemoryMetaStore::Get(const std::string& key) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::optional<MetaEntry>();
  return std::optional<MetaEntry>(found->second);
}

Result<uint64_t> MemoryMetaStore::CompareAndSet(const std::string& key, uint64_t expected,
                                                const std::string& value, const MetaFence& fence) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, value.size()));
  std::lock_guard lock(mutex_);
  PC_RETURN_IF_ERROR(CheckRevisions(key, expected, fence));
  ++writes_;
  const uint64_t revision = expected == 0 ? writes_ : expected + 1;
  entries_[key] = {.key = key, .value = value, .revision = revision};
  return revision;
}

Status MemoryMetaStore::CompareAndRemove(const std::string& key, uint64_t expected,
                                         const MetaFence& fence) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  std::lock_guard lock(mutex_);
  PC_RETURN_IF_ERROR(CheckRevisions(key, expected, fence));
  ++writes_;
  entries_.erase(key);
  return {};
}

Result<MetaPage> MemoryMetaStore::Page(const MetaPageRequest& request) {
  std::lock_guard lock(mutex_);
  MetaPageBuilder page(request.limit, request.limit_bytes);
  auto entry = request.after < request.prefix ? entries_.lower_bound(request.prefix)
                                              : entries_.upper_bound(request.after);
  for (; entry != entries_.end() && entry->first.starts_with(request.prefix); ++entry) {
    if (!page.Add(entry->second)) break;
  }
  return page.Finish();
}

}  // namespace promptcache
