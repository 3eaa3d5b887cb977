#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/replace_file.h"
#include "tools/simulate/cells.h"
#include "tools/simulate/report.h"

namespace promptcache {
namespace {

constexpr double kMaxRequests = 1e7;
constexpr double kMaxNewSchemas = 1e6;

struct SimulateFlags {
  TraceOptions trace;
  std::string cell;
  std::string traces = "../shared/data/traces";
  bool disturbed = false;
  ZipfOptions zipf;
  uint32_t workers = 16;
  uint32_t cpu_workers = 0;
  double store_gb_per_s = 0;
  std::vector<std::string> policies = {"cost", "rendezvous", "bounded_load", "shortest_queue"};
  SimulationOptions simulation;
  bool json = false;
  std::string svg;
};

struct Scene {
  Workload workload;
  std::vector<WorkerModel> workers;
};

double NewSchemas(const ZipfOptions& zipf) {
  if (zipf.churn_s == 0) return 0;
  return zipf.schemas * zipf.churn_share * zipf.seconds / zipf.churn_s;
}

Result<Scene> SceneOf(const SimulateFlags& flags) {
  if (flags.zipf.requests_per_s * flags.zipf.seconds > kMaxRequests) {
    return InvalidArgument("--rate times --seconds is more than 10 million requests");
  }
  if (NewSchemas(flags.zipf) > kMaxNewSchemas) {
    return InvalidArgument("--churn makes more than a million new schemas; take more seconds");
  }
  Cell cell{.zipf = flags.zipf, .gpus = flags.workers, .cpus = flags.cpu_workers};
  if (!flags.cell.empty()) {
    PC_ASSIGN_OR_RETURN(cell, FindCell(flags.cell));
  }
  cell.zipf.seed = flags.simulation.seed;
  Scene scene{.workers = cell.Workers()};
  for (WorkerModel& worker : scene.workers) {
    if (flags.store_gb_per_s > 0) worker.rates.remote.bytes_per_s = flags.store_gb_per_s * 1e9;
  }
  if (flags.trace.file.empty()) {
    PC_ASSIGN_OR_RETURN(scene.workload, cell.MakeWorkload(flags.traces));
  } else {
    PC_ASSIGN_OR_RETURN(scene.workload, ReadTrace(flags.trace));
  }
  return scene;
}

Result<std::vector<SimulationResult>> SimulateAll(const SimulateFlags& flags) {
  PC_ASSIGN_OR_RETURN(const Scene scene, SceneOf(flags));
  SimulationOptions options = flags.simulation;
  if (flags.disturbed) options.disturbances = Disturbed();
  std::vector<SimulationResult> results;
  for (const std::string& policy : flags.policies) {
    options.policy = policy;
    PC_ASSIGN_OR_RETURN(SimulationResult result, Simulate(scene.workload, scene.workers, options));
    results.push_back(std::move(result));
  }
  return results;
}

int RunSimulate(const SimulateFlags& flags) {
  const Result<std::vector<SimulationResult>> results = SimulateAll(flags);
  if (!results.ok()) return Fail(results.status());
  if (!flags.svg.empty()) {
    const Status written = ReplaceFile(flags.svg, PlotSimulations(*results));
    if (!written.ok()) return Fail(written);
  }
  if (flags.json) {
    fmt::print("{}\n", SimulationsToJson(*results).dump(2));
  } else {
    fmt::print("{}", RenderSimulations(*results));
  }
  return kExitOk;
}

void AddWorkloadFlags(CLI::App& command, SimulateFlags& flags) {
  command.add_option("trace", flags.trace.file, "Mooncake trace (JSON lines); else --zipf");
  command.add_option("--speed", flags.trace.speed, "Replay the trace so many times faster")
      ->check(CLI::Range(0.01, 1000.0))
      ->capture_default_str();
  command.add_option("--requests", flags.trace.max_requests, "Of the trace; 0: all")
      ->capture_default_str();
  command
      .add_option("--zipf", flags.zipf.exponent,
                  "The k-th schema is asked for in proportion to 1 / k^S")
      ->check(CLI::Range(0.0, 4.0))
      ->capture_default_str();
  command.add_option("--schemas", flags.zipf.schemas, "How many")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command.add_option("--rate", flags.zipf.requests_per_s, "Requests a second")
      ->check(CLI::Range(0.01, 100'000.0))
      ->capture_default_str();
  command.add_option("--seconds", flags.zipf.seconds, "Virtual time in which they arrive")
      ->check(CLI::Range(1.0, 86'400.0))
      ->capture_default_str();
  command
      .add_option("--hot-step", flags.zipf.hot_share,
                  "From half time on one schema gets this share of the requests")
      ->check(CLI::Range(0.0, 1.0));
  CLI::Option* churn =
      command
          .add_option("--churn", flags.zipf.churn_s,
                      "Every so many seconds some schemas get another text, whose units no worker "
                      "and no store has")
          ->check(CLI::Range(0.1, 86'400.0));
  command.add_option("--churn-share", flags.zipf.churn_share, "Share of the schemas, each time")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(churn)
      ->capture_default_str();
  command.add_option("--cell", flags.cell, "Instead of these: a cell of the table of the README");
  command
      .add_option("--traces", flags.traces,
                  "Folder with mooncake/, the traces that Mooncake published "
                  "(github.com/kvcache-ai/Mooncake), "
                  "for --cell conversation")
      ->capture_default_str();
}

void AddFleetFlags(CLI::App& command, SimulateFlags& flags) {
  command.add_option("--policy", flags.policies, "Separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  command.add_option("--workers", flags.workers, "GPU workers")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--cpu-workers", flags.cpu_workers, "CPU workers beside them")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command
      .add_option("--store-rate", flags.store_gb_per_s,
                  "GB/s that each worker gets from the store (default: 3, CPUs 1)")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--queue-bound", flags.simulation.rails.queue_bound_s,
                  "Seconds of work at a worker beyond which requests wait in the coordinator")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--deadline", flags.simulation.deadline_s,
                  "Seconds to the first token; what cannot make it is rejected")
      ->check(CLI::PositiveNumber);
  command.add_option("--seed", flags.simulation.seed, "Of workload and noise")
      ->capture_default_str();
}

void AddDisturbanceFlags(CLI::App& command, SimulateFlags& flags) {
  Disturbances& disturbances = flags.simulation.disturbances;
  command.add_option("--noise", disturbances.noise, "By how much reported numbers are off")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  command.add_option("--stale", disturbances.report_interval_s, "Seconds between reports")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command.add_option("--lost-deltas", disturbances.lost_deltas, "Share of residency deltas")
      ->check(CLI::Range(0.0, 0.99));
  command
      .add_option("--slow-worker", disturbances.slow_factor,
                  "From a third on one worker has this share of its speed, and does not say so")
      ->check(CLI::Range(0.01, 1.0));
  command
      .add_option("--away", disturbances.away_share,
                  "One worker is gone for this share of the time and comes back empty")
      ->check(CLI::Range(0.0, 0.4));
  command.add_flag("--disturbed", flags.disturbed,
                   "--noise 0.5 --stale 2 --away 0.025 in place of these");
}

}  // namespace

void AddSimulateCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<SimulateFlags>();
  CLI::App* command =
      app.add_subcommand("simulate", "Routing policies on a simulated fleet, in virtual time");
  AddWorkloadFlags(*command, *flags);
  AddFleetFlags(*command, *flags);
  AddDisturbanceFlags(*command, *flags);
  command->add_flag("--json", flags->json, "Print JSON");
  command->add_option("--svg", flags->svg, "Also plot times and tiers to this file");
  command->footer(
      "Workers are models; what decides is the coordinator's own code. One seed gives one result,\n"
      "but for the time that decisions take on this machine. Times are to the first token; the\n"
      "first quarter of the requests is not counted.\n\n"
      "Examples:\n"
      "  promptcache simulate --zipf 1.0 --rate 530 --seconds 120\n"
      "  promptcache simulate trace.jsonl --speed 3 --policy cost,rendezvous --svg plot.svg\n"
      "  promptcache simulate --cell zipf1.0-84 --disturbed --json");
  command->callback([&context, flags] { context.run = [flags] { return RunSimulate(*flags); }; });
}

}  // namespace promptcache
