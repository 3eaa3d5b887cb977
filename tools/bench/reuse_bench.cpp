#include "tools/bench/reuse_bench.h"

#include <thread>

#include "tools/bench/series.h"

namespace promptcache {
namespace {

Result<std::unique_ptr<ServeLoad>> StartLoad(const ServeSetup& setup, const BenchCluster& cluster,
                                             ReuseMode reuse,
                                             std::function<std::string(uint64_t)> prompt) {
  return ServeLoad::Start({.endpoint = cluster.endpoint(),
                           .clients = setup.clients,
                           .prompt = std::move(prompt),
                           .generation = {.max_new_tokens = setup.tokens},
                           .reuse = reuse});
}

// Every module of every schema is encoded then, and in a worker's memory.
Status EncodeAll(const ServeSetup& setup, const ServeWorkload& workload,
                 const BenchCluster& cluster, const ServeBenchProgress& progress) {
  PC_ASSIGN_OR_RETURN(const auto load,
                      StartLoad(setup, cluster, ReuseMode::kReuse, [&](uint64_t index) {
                        return workload.WholePrompt(static_cast<uint32_t>(index));
                      }));
  PC_RETURN_IF_ERROR(load->AddSchemas(workload.Schemas()));
  const ServeLimits all{.requests = setup.workload.schemas};
  const ServeResult result = load->RunClosed(all, ProgressOf(progress, "encoding modules", all));
  if (result.failed == 0) return {};
  return Internal("modules could not be encoded: " + result.first_failure);
}

Result<ServeResult> Measure(const ServeSetup& setup, const ServeWorkload& workload,
                            const BenchCluster& cluster, ReuseMode reuse,
                            const ServeProgress& progress) {
  PC_ASSIGN_OR_RETURN(const auto load, StartLoad(setup, cluster, reuse, [&](uint64_t index) {
                        return workload.Prompt(index);
                      }));
  return load->RunClosed(setup.limits, progress);
}

}  // namespace

Result<ReuseBenchReport> MeasureReuse(const ServeSetup& setup, const ServeBenchProgress& progress) {
  PC_ASSIGN_OR_RETURN(const ServedModel model, LoadServedModel(setup.model, "auto"));
  PC_ASSIGN_OR_RETURN(const auto cluster, BenchCluster::Start(model, setup.cluster));
  const ServeWorkload workload(setup.workload);
  PC_RETURN_IF_ERROR(EncodeAll(setup, workload, *cluster, progress));
  ReuseBenchReport report{.cpu = CpuName(),
                          .cores = std::thread::hardware_concurrency(),
                          .setup = setup,
                          .identity = cluster->identity()};
  PC_ASSIGN_OR_RETURN(report.reuse, Measure(setup, workload, *cluster, ReuseMode::kReuse,
                                            ProgressOf(progress, "cache on", setup.limits)));
  PC_ASSIGN_OR_RETURN(report.full, Measure(setup, workload, *cluster, ReuseMode::kFull,
                                           ProgressOf(progress, "cache off", setup.limits)));
  return report;
}

}  // namespace promptcache
