// What every process has: version, start, memory, open files. Internal to common/metrics.
#pragma once

#include "common/metrics/metric.h"

namespace promptcache {

// `started`: seconds since 1970.
void AddProcessMetrics(double started, Metrics& metrics);

}  // namespace promptcache
