#include "cachestore/limits.h"
#include "cachestore/memory/memory_store.h"

namespace promptcache {

uint64_t MemoryMetaStore::RevisionOf(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? 0 : found->second.revision;
}

Result<std::optional<MetaEntry>> MemoryMetaStore::Get(const std::string& key) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::optional<MetaEntry>();
  return std::optional<MetaEntry>(found->second);
}

Result<uint64_t> MemoryMetaStore::CompareAndSet(const std::string& key, uint64_t expected,
                                                const std::string& value) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, value.size()));
  std::lock_guard lock(mutex_);
  const uint64_t revision = RevisionOf(key);
  if (revision != expected) return WrongRevision(key, expected, revision);
  entries_[key] = {.key = key, .value = value, .revision = revision + 1};
  return revision + 1;
}

Status MemoryMetaStore::CompareAndRemove(const std::string& key, uint64_t expected) {
  PC_RETURN_IF_ERROR(CheckMetaEntry(key, 0));
  std::lock_guard lock(mutex_);
  const uint64_t revision = RevisionOf(key);
  if (revision != expected) return WrongRevision(key, expected, revision);
  entries_.erase(key);
  return {};
}

Result<std::vector<MetaEntry>> MemoryMetaStore::List(const std::string& prefix,
                                                     uint64_t limit_bytes) {
  std::lock_guard lock(mutex_);
  MetaListLimit limit(prefix, limit_bytes);
  std::vector<MetaEntry> found;
  for (auto it = entries_.lower_bound(prefix); it != entries_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    PC_RETURN_IF_ERROR(limit.Take(it->first, it->second.value));
    found.push_back(it->second);
  }
  return found;
}

}  // namespace promptcache
