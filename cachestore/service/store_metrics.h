// What a cachestore measures.
#pragma once

#include "cluster/transport/peer_table.h"
#include "common/metrics/metric.h"
#include "common/store_reports.h"

namespace promptcache {

void AddStoreMetrics(const StoreStats& stats, Metrics& metrics);
void AddStoreLinkMetrics(const PeerCounters& links, Metrics& metrics);

}  // namespace promptcache
