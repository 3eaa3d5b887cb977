// Messages between coordinators and workers, as plain values. Included through
// cluster/wire/messages.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/wire/client_messages.h"
#include "common/types.h"

namespace promptcache {

// ---- worker to coordinator and back ----

// After HelloAck: what the worker serves.
struct WorkerReady {
  uint32_t pid = 0;
  std::string model;
  std::string device;
  Identity identity;
  uint32_t context_length = 0;
  uint32_t slots = 0;  // samples of requests that the engine runs at once
  uint64_t unit_limit_bytes = 0;
  uint64_t kv_bytes_per_token = 0;  // of a unit in memory
  bool operator==(const WorkerReady&) const = default;
};
// How long a unit takes from a tier, as measured: fixed_s + bytes / bytes_per_s.
struct LoadRate {
  double fixed_s = 0;
  double bytes_per_s = 0;  // 0: not measured, or there is no such tier
  bool operator==(const LoadRate&) const = default;
};
struct Heartbeat {
  uint32_t active = 0;
  uint32_t queued = 0;
  uint32_t units = 0;
  uint64_t unit_bytes = 0;
  uint64_t requests = 0;
  double backlog_seconds = 0;  // of work before a request that comes now
  double prefill_tokens_per_s = 0;
  bool draining = false;  // takes no new requests
  double kv_use = 0;      // of the memory for running requests, 0 to 1
  LoadRate host;
  LoadRate disk;
  LoadRate remote;
  uint64_t generated_tokens = 0;  // since start
  // Of the set of units after residency number `residency_seq`: xor of the first 8 bytes of the
  // keys, little-endian. 0 as the number: not said.
  uint64_t residency_seq = 0;
  uint64_t residency_digest = 0;
  bool operator==(const Heartbeat&) const = default;
};
// Changes of the set of resident units, by sequence number; a snapshot replaces the set.
// After a gap the coordinator answers ResidencyResync and the worker sends a snapshot.
struct Residency {
  uint64_t seq = 0;
  bool snapshot = false;
  std::vector<UnitKey> added;
  std::vector<UnitKey> removed;
  bool operator==(const Residency&) const = default;
};
struct ResidencyResync {
  bool operator==(const ResidencyResync&) const = default;
};
struct Run {
  Plan plan;
  GenerationOptions options;
  std::string schema;    // the plan's units are imported from it; empty: not said
  std::string version;   // of the schema, 16 hex digits
  Delivered delivered;   // the answer goes on behind this
  std::string tenant;    // the units are imported for it
  uint64_t domain = 0;   // of the units' keys; 0: shared
  bool warming = false;  // nobody asked for it: its imports do not count as uses
  bool operator==(const Run&) const = default;
};
// Does the worker know this request? Answered by RequestState.
struct RequestQuery {
  bool operator==(const RequestQuery&) const = default;
};
enum class RequestPhase : uint8_t { kUnknown = 0, kRunning = 1, kEnded = 2 };
struct RequestState {
  RequestPhase phase = RequestPhase::kUnknown;
  uint32_t attempt = 0;  // the last one
  uint32_t parts = 0;    // of the answer, that the worker still has or had
  bool operator==(const RequestState&) const = default;
};
// Stream this request's answer to me, behind what was delivered, as the envelope's attempt, which
// is higher than the one before. Answered by Partial... and Final; by a Final of kNotFound when the
// worker does not have it, or has other tokens there, or no part that begins there: parts of two
// runs of one request need not hold the same tokens.
struct Adopt {
  Delivered delivered;
  bool operator==(const Adopt&) const = default;
};
// Recipes the worker lacks. Answered by RecipeReply with those the coordinator has.
struct RecipeQuery {
  std::vector<RecipeDigest> digests;
  bool operator==(const RecipeQuery&) const = default;
};
struct RecipeReply {
  std::vector<Recipe> recipes;
  std::vector<RecipeDigest> unknown;
  bool operator==(const RecipeReply&) const = default;
};

}  // namespace promptcache
