// What a cachestore measures.
#pragma once

#include "common/metrics/metric.h"
#include "common/store_reports.h"

namespace promptcache {

void AddStoreMetrics(const StoreStats& stats, Metrics& metrics);

}  // namespace promptcache
