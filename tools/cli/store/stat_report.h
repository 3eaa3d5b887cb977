// What a store holds and has done, in numbers. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cachestore/store.h"

namespace promptcache {

// Of bytes written to the disk to bytes of blobs; absent before the first.
std::optional<double> WriteAmplification(const StoreStats& stats);
// Of opened blobs that were there; absent before the first.
std::optional<double> HitRatio(const StoreStats& stats);

nlohmann::json StatsToJson(const StoreStats& stats);
// With totals by schema (a blob counts for each that uses it) and by model.
nlohmann::json StatReportToJson(const StoreStats& stats, const std::vector<BlobInfo>& blobs);
std::string RenderStatReport(const StoreStats& stats, const std::vector<BlobInfo>& blobs);

}  // namespace promptcache
