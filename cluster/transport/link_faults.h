// The faults of links as values of a metric.
#pragma once

#include <span>

#include "cluster/transport/peer_table.h"
#include "common/metrics/metric.h"

namespace promptcache {

// A value for each fault, by its name: the sum over these tables.
void AddLinkFaults(std::span<const PeerCounters> tables, MetricSeries& series);

}  // namespace promptcache
