// What a coordinator measures. Internal to coordinator/.
#pragma once

#include "cluster/transport/peer_table.h"
#include "cluster/wire/messages.h"
#include "common/metrics/metric.h"
#include "coordinator/batch/batch_table.h"
#include "coordinator/session/session.h"

namespace promptcache {

struct CoordinatorState {
  StatusReply status;
  SessionCounters requests;
  BatchCounts batches;
  uint64_t generated_tokens = 0;
  size_t client_links = 0;
  PeerCounters clients;
  PeerCounters workers;
  Histogram ttft_s{kSecondsBounds};
  Histogram duration_s{kSecondsBounds};
  Histogram dispatch_s{kShortSecondsBounds};
};

void AddCoordinatorMetrics(const CoordinatorState& state, Metrics& metrics);

}  // namespace promptcache
