#include "tools/engine/serve_command.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/temporary_directory.h"
#include "tools/bench/reuse_bench.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/cli/serve_flags.h"
#include "tools/engine/engine_flags.h"
#include "worker/service/worker_model.h"

namespace promptcache {
namespace {

// So that two cores encode all modules, and measure with reuse and without, in two minutes.
constexpr uint32_t kClients = 16;
constexpr uint32_t kSchemas = 20;
constexpr uint32_t kWords = 100;
constexpr uint32_t kSeconds = 40;

struct ServeModelFlags {
  ServeFlags serve;
  EmbeddedOptions system;
  std::string engine;
  int64_t slots = kClients;
};

Result<ReuseBenchReport> Measure(const ServeModelFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make("promptcache-bench"));
  ServeSetup setup = flags.serve.setup;
  setup.model = flags.system.model;
  setup.limits = flags.serve.limits();
  setup.cluster.directory = directory.path();
  setup.cluster.worker = WorkerSettingsOf(flags.system);
  setup.cluster.worker.slots = flags.slots;
  setup.cluster.make_model = [](const WorkerSettings& settings) {
    return LoadWorkerModel(settings);
  };
  return MeasureReuse(setup, BarOnTerminal());
}

int RunServe(const ServeModelFlags& flags) {
  InitLog("promptcache-bench", LogLevel::kError, LogFormat::kText);
  const Result<ReuseBenchReport> report = Measure(flags);
  if (!report.ok()) return Fail(report.status());
  if (flags.serve.json) {
    fmt::print("{}\n", ReuseBenchToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderReuseBench(*report));
  }
  return report->reuse.failed + report->full.failed == 0 ? kExitOk : kExitCheckFailed;
}

}  // namespace

void AddServeCommand(CLI::App& bench, std::function<int()>& run) {
  auto flags = std::make_shared<ServeModelFlags>();
  ServeSetup& setup = flags->serve.setup;
  setup.clients = kClients;
  setup.workload.schemas = kSchemas;
  setup.workload.words = kWords;
  flags->serve.default_seconds = kSeconds;
  CLI::App* command = bench.add_subcommand(
      "serve", "Many clients of workers that run a model, with reuse and without");
  command->add_option("--engine", flags->engine, "What workers run")
      ->required()
      ->check(CLI::IsMember({"model"}));
  AddEngineFlags(*command, flags->system);
  command->add_option("--slots", flags->slots, "Answers that share a worker's steps")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  AddServeFlags(*command, flags->serve);
  command->footer(
      "Coordinator, cachestore, workers and clients run in this process and talk over sockets.\n"
      "Every module is encoded first. Then every client sends its next request when the last one\n"
      "has ended, with the cache on; then the same prompts with it off, when each is computed\n"
      "whole, as by `promptcache submit --no-cache`.\n\n"
      "Examples:\n"
      "  promptcache bench serve --engine model --model model.gguf --clients 16\n"
      "  promptcache bench serve --engine model --requests 200 --json");
  command->callback([flags, &run] { run = [flags] { return RunServe(*flags); }; });
}

}  // namespace promptcache
