#include "tools/engine/tenants_command.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/temporary_directory.h"
#include "tools/bench/tenants_bench.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/engine/engine_flags.h"
#include "worker/service/worker_model.h"

namespace promptcache {
namespace {

struct TenantsFlags {
  EmbeddedOptions system;
  TenantsBenchOptions bench;  // but its model and cluster
  bool json = false;
};

Result<TenantsBenchReport> Measure(const TenantsFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make("promptcache-bench"));
  TenantsBenchOptions options = flags.bench;
  options.model = flags.system.model;
  options.cluster.directory = directory.path();
  options.cluster.worker = WorkerSettingsOf(flags.system);
  options.cluster.make_model = [](const WorkerSettings& settings) {
    return LoadWorkerModel(settings);
  };
  return MeasureTenants(options, BarOnTerminal());
}

int RunTenants(const TenantsFlags& flags) {
  InitLog("promptcache-bench", LogLevel::kError, LogFormat::kText);
  const Result<TenantsBenchReport> report = Measure(flags);
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", TenantsBenchToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderTenantsBench(*report));
  }
  return report->Fault().empty() ? kExitOk : kExitCheckFailed;
}

}  // namespace

void AddTenantsCommand(CLI::App& bench, std::function<int()>& run) {
  auto flags = std::make_shared<TenantsFlags>();
  CLI::App* command = bench.add_subcommand(
      "tenants", "Whether a tenant can find out, by time, what another one has imported");
  AddEngineFlags(*command, flags->system);
  command->add_option("--pairs", flags->bench.pairs, "Of first imports, in each case")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--tokens", flags->bench.tokens, "Of a text")
      ->check(CLI::Range(8, 100'000))
      ->capture_default_str();
  command->add_option("--seed", flags->bench.seed, "Of the texts and of who comes first")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Coordinator, cachestore and worker run in this process on links with keys, and so do\n"
      "clients of two tenants. In each pair one tenant imports a text for the first time that\n"
      "the other one has in memory and in the store, and one of as many tokens that nobody ever\n"
      "had, one after the other, in random order, each while nothing else runs. Times to first\n"
      "token are held against each other by Wilcoxon's signed-rank test. The control is the same\n"
      "with schemas that are shared, where the times must differ.\n\n"
      "Ends with 1 when p is 0.01 or less, so that time tells a tenant what another one has\n"
      "imported (once in a hundred runs by chance), when a first import was a hit, or when the\n"
      "control shows no difference.\n\n"
      "Example:\n"
      "  promptcache bench tenants --model model.gguf --pairs 200 --json");
  command->callback([flags, &run] { run = [flags] { return RunTenants(*flags); }; });
}

}  // namespace promptcache
