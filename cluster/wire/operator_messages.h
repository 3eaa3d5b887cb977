// What operators ask coordinators, and what these tell, as plain values. Included through
// cluster/wire/messages.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/request_report.h"
#include "common/types.h"

namespace promptcache {

// ---- how a coordinator is ----

// Tokens by where their states came from.
struct TierTokens {
  uint64_t device = 0;
  uint64_t host = 0;
  uint64_t disk = 0;
  uint64_t remote = 0;
  uint64_t encoded = 0;
  bool operator==(const TierTokens&) const = default;
};
struct Percentiles {
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  uint64_t count = 0;  // 0: there is nothing to speak of
  bool operator==(const Percentiles&) const = default;
};
struct StatusQuery {
  bool operator==(const StatusQuery&) const = default;
};
struct WorkerStatus {
  std::string name;
  uint32_t pid = 0;
  std::string model;
  std::string device;  // "cpu", "cuda:0"
  Identity identity;
  bool live = true;
  uint32_t active = 0;  // requests in the engine
  uint32_t queued = 0;
  uint32_t slots = 0;
  uint32_t units = 0;  // resident
  uint64_t unit_bytes = 0;
  uint64_t unit_limit_bytes = 0;
  uint64_t requests = 0;            // finished since start
  double prefill_tokens_per_s = 0;  // measured; 0 before the first request
  bool draining = false;
  uint32_t assigned = 0;  // slots of requests that this coordinator gave it
  double backlog_seconds = 0;
  double kv_use = 0;       // of the memory for running requests, 0 to 1
  double calibration = 1;  // by what factor its work takes longer than its rates say
  uint64_t generated_tokens = 0;
  bool operator==(const WorkerStatus&) const = default;
};
struct StatusReply {
  std::string coordinator;
  uint32_t pid = 0;
  uint64_t uptime_ms = 0;
  bool meta_available = false;
  std::string model;
  uint32_t context_length = 0;
  uint32_t schemas = 0;
  uint32_t requests_active = 0;
  uint64_t requests_accepted = 0;
  uint64_t requests_failed = 0;
  uint64_t bad_frames = 0;  // messages dropped because they did not verify
  std::vector<WorkerStatus> workers;
  std::string policy;              // of routing
  uint32_t requests_waiting = 0;   // for a worker with room
  uint64_t requests_rejected = 0;  // that no worker could have done in time
  uint64_t requests_resumed = 0;   // taken over from another coordinator or a lost worker
  TierTokens tokens;               // that prompts imported, by where they came from
  Percentiles ttft_ms;             // of recent requests, from Submit to the first token
  bool operator==(const StatusReply&) const = default;
};

// ---- client to coordinator to every worker, and the way back ----

// No memory shall hold these units any more.
struct UnitsDrop {
  std::vector<UnitKey> keys;
  bool operator==(const UnitsDrop&) const = default;
};
struct DroppedUnits {
  std::string worker;
  uint64_t dropped = 0;       // units that it had
  std::vector<UnitKey> held;  // that running requests still use: they go with these
  bool operator==(const DroppedUnits&) const = default;
};
// A worker says it of itself, the coordinator of all that live.
struct UnitsDropped {
  std::vector<DroppedUnits> workers;
  bool operator==(const UnitsDropped&) const = default;
};

// ---- client to coordinator, and on to a worker: what operators do ----

enum class DrainChange : uint8_t { kDrain = 0, kResume = 1 };
// The worker takes no new requests from any coordinator, or does so again. Answered by Reply.
struct DrainWorker {
  std::string worker;
  DrainChange change = DrainChange::kDrain;
  bool operator==(const DrainWorker&) const = default;
};
// What happened to a request, and why. Answered by ExplainReply, or Reply with kNotFound.
struct ExplainQuery {
  std::optional<RequestId> request;  // none: the slowest of the recent ones
  bool operator==(const ExplainQuery&) const = default;
};
struct ExplainReply {
  std::vector<RequestReport> requests;
  bool operator==(const ExplainReply&) const = default;
};

}  // namespace promptcache
