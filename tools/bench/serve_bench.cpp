#include "tools/bench/serve_bench.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "tools/bench/series.h"

namespace promptcache {
namespace {

constexpr int64_t kSlots = 64;  // of a worker

// Takes a sample each second until it is destroyed.
class Sampler {
 public:
  Sampler() : thread_([this](const std::stop_token& stop) { Run(stop); }) {}

  std::vector<ProcessSample> Stop() {
    thread_.request_stop();
    thread_.join();
    return std::move(samples_);
  }

 private:
  void Run(const std::stop_token& stop) {
    const SteadyTime start = SystemClock().Now();
    for (SteadyTime next = start; !stop.stop_requested(); next += std::chrono::seconds(1)) {
      std::this_thread::sleep_until(next);
      Result<ProcessSample> sample = SampleProcess();
      if (!sample.ok()) return;
      sample->seconds = MillisecondsBetween(start, SystemClock().Now()) / 1000;
      samples_.push_back(*sample);
    }
  }

  std::vector<ProcessSample> samples_;  // of the thread until it is joined
  std::jthread thread_;
};

void Soak(const ServeBenchOptions& options, ServeLoad& load, const ServeBenchProgress& progress,
          ServeBenchReport& report) {
  const ServeLimits limits{.time = std::chrono::seconds(options.soak_seconds)};
  Sampler sampler;
  report.closed = load.RunClosed(limits, ProgressOf(progress, "soak", limits));
  report.samples = sampler.Stop();
}

void Measure(const ServeBenchOptions& options, ServeLoad& load, const ServeBenchProgress& progress,
             ServeBenchReport& report) {
  const ServeLimits& limits = options.setup.limits;
  report.closed = load.RunClosed(limits, ProgressOf(progress, "as fast as it goes", limits));
  report.rate = options.rate > 0 ? options.rate : report.closed.requests_per_s() / 2;
  report.open = load.RunOpen(report.rate, limits, ProgressOf(progress, "at half of that", limits));
}

}  // namespace

ServeProgress ProgressOf(const ServeBenchProgress& progress, const std::string& what,
                         const ServeLimits& limits) {
  if (!progress) return nullptr;
  return [progress, what, limits, start = SystemClock().Now()](uint64_t requests) {
    const double of_time =
        MillisecondsBetween(start, SystemClock().Now()) / static_cast<double>(limits.time.count());
    const double of_requests = static_cast<double>(requests) / static_cast<double>(limits.requests);
    progress(what, std::min(1.0, std::max(of_time, of_requests)));
  };
}

Result<ServeBenchReport> MeasureServe(const ServeBenchOptions& options,
                                      const ServeBenchProgress& progress) {
  const ServeSetup& setup = options.setup;
  PC_ASSIGN_OR_RETURN(const ServedModel model, LoadServedModel(setup.model, "auto"));
  BenchClusterOptions cluster_options = setup.cluster;
  cluster_options.worker.slots = kSlots;
  cluster_options.make_model = [&](const WorkerSettings& settings) {
    return MakeFakeWorkerModel(model, settings, options.fake);
  };
  PC_ASSIGN_OR_RETURN(const auto cluster, BenchCluster::Start(model, cluster_options));
  const ServeWorkload workload(setup.workload);
  PC_ASSIGN_OR_RETURN(
      const auto load,
      ServeLoad::Start({.endpoint = cluster->endpoint(),
                        .clients = setup.clients,
                        .prompt = [&](uint64_t index) { return workload.Prompt(index); },
                        .generation = {.max_new_tokens = setup.tokens}}));
  PC_RETURN_IF_ERROR(load->AddSchemas(workload.Schemas()));
  // Every unit that is asked for often is in memory then.
  const ServeLimits warm_up{.requests = uint64_t{100} * setup.workload.schemas};
  (void)load->RunClosed(warm_up, ProgressOf(progress, "warming up", warm_up));
  ServeBenchReport report{
      .cpu = CpuName(), .cores = std::thread::hardware_concurrency(), .options = options};
  if (options.soak_seconds > 0) {
    Soak(options, *load, progress, report);
  } else {
    Measure(options, *load, progress, report);
  }
  return report;
}

}  // namespace promptcache
