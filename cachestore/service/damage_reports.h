// What becomes of reports that a blob is damaged. Internal to cachestore/service.
#pragma once

#include <mutex>

#include "cachestore/store.h"

namespace promptcache {

// Who reports may be wrong, for bytes are damaged on their way too, or lie: no blob goes, and none
// that is pinned least of all, because a peer says so. Thread safe.
class DamageReports {
 public:
  // Reads the whole blob; what is damaged is dropped and counted. OK also when the key is absent.
  // kFailedPrecondition when it is sound, and stays; kBusy while another report is looked into, so
  // that reports never keep more than one thread and the disk of one reader busy.
  Status LookInto(BlobStore& blobs, const UnitKey& key);

 private:
  std::mutex looking_;
};

}  // namespace promptcache
