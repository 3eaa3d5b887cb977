// Whether one tenant can find out, by the time it takes, what another one has imported.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/types.h"
#include "tools/bench/bench_cluster.h"
#include "tools/bench/series.h"
#include "tools/bench/serve_bench.h"
#include "tools/bench/signed_rank.h"

namespace promptcache {

struct TenantsBenchOptions {
  std::string model;            // whose tokenizer and metadata are used
  BenchClusterOptions cluster;  // but its keys, which are made in its directory
  uint32_t pairs = 200;
  uint32_t tokens = 64;  // of a text
  uint64_t seed = 1;     // of texts and of who comes first
};

// A tenant's first imports of texts, in pairs: one that another tenant has imported, resident and
// stored, and one of as many tokens that nobody ever had.
struct TenantsTimes {
  Series known;  // milliseconds to the first token, as the client saw them, by pair
  Series fresh;
  uint32_t known_hits = 0;  // units that were not encoded
  uint32_t fresh_hits = 0;

  Series differences() const;  // known - fresh
  SignedRank Test() const { return TestSignedRank(differences().samples); }
};

struct TenantsBenchReport {
  std::string cpu;
  uint32_t cores = 0;
  TenantsBenchOptions options;
  Identity identity;    // of the worker
  TenantsTimes apart;   // each tenant has schemas of its own
  TenantsTimes shared;  // the control: the same, but all schemas are shared

  // Times differ when they are so unlikely to come from one distribution.
  static constexpr double kSignificance = 0.01;
  // What one tenant learned of the other, or that the control shows nothing; empty: neither.
  std::string Fault() const;
};

// Starts coordinator, cachestore and worker in this process, on links with keys, and clients of two
// tenants. kInternal when something else than the case says differs.
Result<TenantsBenchReport> MeasureTenants(const TenantsBenchOptions& options,
                                          const ServeBenchProgress& progress);

nlohmann::json TenantsBenchToJson(const TenantsBenchReport& report);
std::string RenderTenantsBench(const TenantsBenchReport& report);

}  // namespace promptcache
