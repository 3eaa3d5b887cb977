// What a worker measures. Without LibTorch.
#pragma once

#include "cluster/wire/messages.h"
#include "common/metrics/metric.h"
#include "worker/metrics/import_counters.h"

namespace promptcache {

struct MeasuredWorker {
  Heartbeat heartbeat;
  uint32_t slots = 0;
  uint64_t unit_limit_bytes = 0;
  uint64_t corruptions = 0;
  uint64_t put_failures = 0;
  uint32_t coordinators = 0;  // with a link that is up
  ImportCounters imports;
};

void AddWorkerMetrics(const MeasuredWorker& state, Metrics& metrics);
// Why it cannot take requests.
Status ReadinessOf(const MeasuredWorker& state);

}  // namespace promptcache
