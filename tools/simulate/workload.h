// What a simulated fleet is asked for: made up by popularity, or read from a trace.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

struct SimRequest {
  double arrival_s = 0;
  uint32_t schema = 0;          // what has a home
  std::vector<uint32_t> units;  // indices into Workload::unit_tokens
  uint32_t new_tokens = 0;
  uint32_t output_tokens = 0;
};

struct Workload {
  std::string name;
  std::vector<uint32_t> unit_tokens;
  std::vector<SimRequest> requests;  // by arrival
  // The units of each schema, the most popular first: what is in memory at the start.
  std::vector<std::vector<uint32_t>> warm;

  double duration_s() const { return requests.empty() ? 0 : requests.back().arrival_s; }
};

// Schemas of 3 to 8 modules of 600 to 1800 tokens, every fifth of them from a pool that all share.
// A request imports its whole schema and brings 100 to 600 tokens; requests are independent.
struct ZipfOptions {
  double exponent = 1.0;  // the k-th schema is asked for in proportion to 1 / k^exponent
  uint32_t schemas = 2000;
  double requests_per_s = 100;
  double seconds = 60;
  // From half time on so large a share of requests is for one schema that was the hundredth before;
  // 0: it stays what it was.
  double hot_share = 0;
  // Every so many seconds a share of the schemas, drawn anew, gets another text: modules that are
  // only theirs are replaced by ones that nobody has yet. 0: never.
  double churn_s = 0;
  double churn_share = 0.05;
  uint64_t seed = 1;
};
Workload MakeZipf(const ZipfOptions& options);

// A Mooncake trace: JSON lines with timestamp (ms), input_length, output_length and hash_ids of 512
// tokens each. Each hash but a request's last is a unit; the last one's tokens are new. Requests
// are of one schema when their second hash is the same: the first one is the same for all. `speed`:
// so many times faster than recorded. `max_requests`: what comes after is left out.
struct TraceOptions {
  std::filesystem::path file;
  double speed = 1;
  uint32_t max_requests = 0;  // 0: all
};
// kNotFound, kDataLoss with the line, kResourceExhausted: more than 256 MiB.
Result<Workload> ReadTrace(const TraceOptions& options);

}  // namespace promptcache
