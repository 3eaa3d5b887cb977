// What a cachestore measures.
#pragma once

#include "cachestore/service/store_server.h"
#include "cluster/transport/peer_table.h"
#include "common/metrics/metric.h"
#include "common/store_reports.h"

namespace promptcache {

void AddStoreMetrics(const StoreStats& stats, Metrics& metrics);
void AddStoreStreamMetrics(const StreamCounters& streams, Metrics& metrics);
void AddStoreLinkMetrics(const PeerCounters& links, Metrics& metrics);

}  // namespace promptcache
