// Clients that ask a coordinator for answers: as many at a time as they are, or so many a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/status.h"
#include "tools/bench/latency_histogram.h"
#include "tools/bench/series.h"

namespace promptcache {

struct ServeLoadOptions {
  std::string endpoint;  // of the coordinator
  uint32_t clients = 64;
  std::function<std::string(uint64_t index)> prompt;  // number `index`
  GenerationOptions generation;
  ReuseMode reuse = ReuseMode::kReuse;
};

// What ends first ends a measurement.
struct ServeLimits {
  uint64_t requests = UINT64_MAX;
  std::chrono::milliseconds time{24 * 3'600'000};
};

struct ServeResult {
  uint64_t requests = 0;  // that ended
  // Of these, with another status than OK, or cut short where the model did not end by itself.
  uint64_t failed = 0;
  std::string first_failure;
  double seconds = 0;
  LatencyHistogram total_ms;        // of a request: from when it was due to its end
  LatencyHistogram first_token_ms;  // to its first token
  Series p99_by_second_ms;          // of total_ms, as SecondBySecond has it
  uint64_t tokens = 0;              // that were streamed
  uint64_t parts = 0;               // in so many messages
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t units = 0;
  uint64_t resident_units = 0;  // of these, from a worker's memory
  double cpu_seconds = 0;       // of the whole process
  double stolen_share = 0;      // of the CPU time that was wanted, as StolenShare

  double requests_per_s() const { return per_s(requests); }
  double per_s(uint64_t count) const {
    return seconds == 0 ? 0 : static_cast<double>(count) / seconds;
  }
  double cpu_ms_per_request() const {
    return requests == 0 ? 0 : 1000 * cpu_seconds / static_cast<double>(requests);
  }
};

// Requests that have ended; on the clients' thread.
using ServeProgress = std::function<void(uint64_t requests)>;

// Each client has a link of its own; one thread serves them. Not thread safe: one measurement after
// another.
class ServeLoad {
 public:
  // kUnavailable when the coordinator does not answer.
  static Result<std::unique_ptr<ServeLoad>> Start(const ServeLoadOptions& options);
  virtual ~ServeLoad() = default;

  virtual Status AddSchemas(const std::vector<std::string>& documents) = 0;
  // Each client sends its next request when its last one has ended.
  virtual ServeResult RunClosed(const ServeLimits& limits, const ServeProgress& progress) = 0;
  // Requests come at random moments, `rate` a second on average, whether earlier ones have ended or
  // not; time counts from those moments.
  virtual ServeResult RunOpen(double rate, const ServeLimits& limits,
                              const ServeProgress& progress) = 0;
};

}  // namespace promptcache
