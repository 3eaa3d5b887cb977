// What one coordinator serves, with workers that run no model: how many requests a second, how soon
// each is answered, and whether anything grows.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/status.h"
#include "tools/bench/bench_cluster.h"
#include "tools/bench/process_samples.h"
#include "tools/bench/serve_load.h"
#include "tools/bench/serve_workload.h"
#include "tools/fake_engine/fake_worker_model.h"

namespace promptcache {

// One coordinator, what it serves and who asks, whatever its workers run.
struct ServeSetup {
  std::string model;            // whose tokenizer and metadata are used
  BenchClusterOptions cluster;  // its workers' models are made by who measures
  ServeWorkloadOptions workload;
  uint32_t clients = 64;
  uint32_t tokens = 16;  // of an answer
  ServeLimits limits;    // of each measurement
};

struct ServeBenchOptions {
  ServeSetup setup;
  FakeWorkerOptions fake;
  double rate = 0;            // of the open loop, a second; 0: half of what the closed one reached
  uint32_t soak_seconds = 0;  // instead of all measurements: the closed loop for so long
};

struct ServeBenchReport {
  std::string cpu;
  uint32_t cores = 0;
  ServeBenchOptions options;
  double rate = 0;  // that was asked for in the open loop
  ServeResult closed;
  ServeResult open;
  std::vector<ProcessSample> samples;  // of a soak, which has no open loop
};

using ServeBenchProgress = std::function<void(const std::string& what, double share)>;

// How far a measurement has come, by requests or by time.
ServeProgress ProgressOf(const ServeBenchProgress& progress, const std::string& what,
                         const ServeLimits& limits);

// Starts everything in this process, warms it up and measures. Errors name the part that failed.
Result<ServeBenchReport> MeasureServe(const ServeBenchOptions& options,
                                      const ServeBenchProgress& progress);

nlohmann::json ServeBenchToJson(const ServeBenchReport& report);
std::string RenderServeBench(const ServeBenchReport& report);

}  // namespace promptcache
