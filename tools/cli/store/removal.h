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

enum class Removal : uint8_t { kPlanned, kDone, kProved };

nlohmann::json RemovalToJson(const RemovalReceipt& receipt, Removal removal);
std::string RenderRemoval(const RemovalReceipt& receipt, Removal removal);

}  // namespace promptcache
