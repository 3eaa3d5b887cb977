// How every store fills a page of records.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "cachestore/limits.h"
#include "cachestore/store.h"

namespace promptcache {

class MetaPageBuilder {
 public:
  MetaPageBuilder(uint32_t limit, uint64_t limit_bytes)
      : limit_(limit), limit_bytes_(limit_bytes) {}

  // In key order. False: the page is full; neither the entry nor what follows is in it.
  bool Add(MetaEntry entry) {
    const uint64_t bytes = kMetaEntryOverhead + entry.key.size() + entry.value.size();
    page_.more = page_.more || bytes > limit_bytes_ - bytes_ ||
                 (limit_ > 0 && page_.entries.size() == limit_);
    if (page_.more) {
      if (page_.entries.empty() && too_large_.empty()) too_large_ = std::move(entry.key);
      return false;
    }
    bytes_ += bytes;
    page_.entries.push_back(std::move(entry));
    return true;
  }

  // kResourceExhausted naming the first entry when not even that one fitted.
  Result<MetaPage> Finish() {
    if (!page_.more || !page_.entries.empty()) return std::move(page_);
    return ResourceExhausted("the record '" + too_large_ + "' does not fit into a page of " +
                             std::to_string(limit_bytes_) + " bytes");
  }

 private:
  const uint32_t limit_;
  const uint64_t limit_bytes_;
  uint64_t bytes_ = 0;
  std::string too_large_;
  MetaPage page_;
};

}  // namespace promptcache
