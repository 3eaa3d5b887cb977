#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/simulate/cells.h"
#include "tools/simulate/report.h"

namespace promptcache {
namespace {

struct SimulateFlags {
  std::string trace;
  std::string cell;
  std::string traces = "../shared/data/traces";
  bool disturbed = false;
  ZipfOptions zipf;
  TraceOptions replay;
  uint32_t workers = 16;
  uint32_t cpu_workers = 0;
  std::vector<std::string> policies = {"cost", "rendezvous", "bounded_load", "shortest_queue"};
  SimulationOptions simulation;
  bool json = false;
  std::string svg;
};

struct Plan {
  Workload workload;
  std::vector<WorkerModel> workers;
};

Result<Workload> WorkloadOf(const SimulateFlags& flags) {
  if (flags.trace.empty()) return MakeZipf(flags.zipf);
  TraceOptions replay = flags.replay;
  replay.file = flags.trace;
  return ReadTrace(replay);
}

int RunSimulate(SimulateFlags flags) {
  Cell cell{.gpus = flags.workers, .cpus = flags.cpu_workers};
  Result<Workload> workload = WorkloadOf(flags);
  if (!flags.cell.empty()) {
    const Result<Cell> found = FindCell(flags.cell);
    if (!found.ok()) return Fail(found.status());
    cell = *found;
    workload = cell.MakeWorkload(flags.traces);
  }
  if (!workload.ok()) return Fail(workload.status());
  if (flags.disturbed) flags.simulation.disturbances = Disturbed();
  std::vector<SimulationResult> results;
  for (const std::string& policy : flags.policies) {
    flags.simulation.policy = policy;
    Result<SimulationResult> result = Simulate(*workload, cell.Workers(), flags.simulation);
    if (!result.ok()) return Fail(result.status());
    results.push_back(std::move(*result));
  }
  fmt::print("{}", flags.json ? SimulationsToJson(results).dump(2) + "\n" : RenderSimulations(results));
  return kExitOk;
}

}  // namespace

void AddSimulateCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<SimulateFlags>();
  CLI::App* command = app.add_subcommand("simulate", "Routing policies on a simulated fleet");
  command->add_option("trace", flags->trace, "Mooncake trace");
  command->add_option("--cell", flags->cell, "");
  command->add_option("--traces", flags->traces, "");
  command->add_flag("--disturbed", flags->disturbed, "");
  command->add_option("--zipf", flags->zipf.exponent, "");
  command->add_option("--rate", flags->zipf.requests_per_s, "");
  command->add_option("--seconds", flags->zipf.seconds, "");
  command->add_option("--schemas", flags->zipf.schemas, "");
  command->add_option("--hot", flags->zipf.hot_share, "");
  command->add_option("--speed", flags->replay.speed, "");
  command->add_option("--workers", flags->workers, "");
  command->add_option("--cpu-workers", flags->cpu_workers, "");
  command->add_option("--policy", flags->policies, "")->delimiter(',');
  command->add_option("--noise", flags->simulation.disturbances.noise, "");
  command->add_option("--report-interval", flags->simulation.disturbances.report_interval_s, "");
  command->add_option("--lost-deltas", flags->simulation.disturbances.lost_deltas, "");
  command->add_option("--slow", flags->simulation.disturbances.slow_factor, "");
  command->add_option("--away", flags->simulation.disturbances.away_share, "");
  command->add_option("--queue-bound", flags->simulation.rails.queue_bound_s, "");
  command->add_option("--deadline", flags->simulation.deadline_s, "");
  command->add_option("--seed", flags->simulation.seed, "");
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([&context, flags] { context.run = [flags] { return RunSimulate(*flags); }; });
}

}  // namespace promptcache
