// What a removal would do and did. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/store.h"

namespace promptcache {

// The receipt that StoreAdmin::RemoveReferences would give for these blobs.
RemovalReceipt PlanRemoval(const std::vector<BlobInfo>& blobs, const BlobSelector& selector);

struct RemovalReport {
  RemovalReceipt receipt;        // `shared`: only what other references hold
  std::vector<KeptBlob> pinned;  // by an operator; with all their references
  std::string store_options;     // of a command about the same store: " --directory /data"
};
// Tells apart why the blobs of a receipt stay.
RemovalReport ReportRemoval(const BlobSelector& selector, RemovalReceipt receipt);

enum class Removal : uint8_t { kPlanned, kDone, kProved };

nlohmann::json RemovalToJson(const RemovalReport& report, Removal removal);
std::string RenderRemoval(const RemovalReport& report, Removal removal);

}  // namespace promptcache
