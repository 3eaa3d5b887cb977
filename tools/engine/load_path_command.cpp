#include "tools/engine/load_path_command.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/temporary_directory.h"
#include "tools/bench/load_path_report.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/offline_schema.h"
#include "tools/engine/engine_flags.h"

namespace promptcache {
namespace {

struct LoadPathFlags {
  EmbeddedOptions system;
  LoadPathOptions sweep;
  std::string schema_file = "schemas/pml/examples/support-desk.xml";
  std::string prompt_file = "schemas/pml/examples/prompts/support-desk-refund.xml";
  bool json = false;
};

void ShowLine(const std::string& line) { fmt::print(stderr, "{}\n", line); }

Status Sweep(const LoadPathFlags& flags, LoadPathReport& report) {
  PC_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make("promptcache-bench"));
  EmbeddedOptions options = flags.system;
  options.store_directory = directory.path();
  options.unit_cache_bytes = 1;  // every unit is gone when its request has ended
  PC_ASSIGN_OR_RETURN(const auto system, EmbeddedSystem::Start(options));
  report.identity = system->identity();
  PC_ASSIGN_OR_RETURN(report.sizes, MeasureLoadPath(*system, flags.sweep, ShowLine));
  return {};
}

Result<WarmStart> Restart(const LoadPathFlags& flags) {
  WarmStartWork work{.iterations = flags.sweep.iterations};
  PC_ASSIGN_OR_RETURN(work.schema, ReadSchemaAdd({.file = flags.schema_file}));
  PC_ASSIGN_OR_RETURN(work.prompt, ReadInput(flags.prompt_file));
  PC_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make("promptcache-bench"));
  EmbeddedOptions options = flags.system;
  options.store_directory = directory.path();
  PC_ASSIGN_OR_RETURN(const auto system, EmbeddedSystem::Start(options));
  return MeasureWarmStart(*system, work, ShowLine);
}

Result<LoadPathReport> Measure(const LoadPathFlags& flags) {
  LoadPathReport report{.schema = flags.schema_file};
  PC_ASSIGN_OR_RETURN(report.warm_start, Restart(flags));
  PC_RETURN_IF_ERROR(Sweep(flags, report));
  return report;
}

int RunLoadPath(const LoadPathFlags& flags) {
  InitLog("promptcache-bench", LogLevel::kError, LogFormat::kText);  // workers go on purpose
  const Result<LoadPathReport> report = Measure(flags);
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", LoadPathToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderLoadPath(*report));
  }
  return kExitOk;
}

}  // namespace

void AddLoadPathCommand(CLI::App& bench, std::function<int()>& run) {
  auto flags = std::make_shared<LoadPathFlags>();
  CLI::App* command = bench.add_subcommand(
      "loadpath", "Units loaded, encoded and as chosen; first token after the loss of a worker");
  AddEngineFlags(*command, flags->system);
  command->add_option("--tokens", flags->sweep.tokens, "Sizes of units")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--iterations", flags->sweep.iterations, "Lives of workers, measured")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--schema", flags->schema_file, "Schema of the warm start")
      ->capture_default_str();
  command->add_option("--prompt", flags->prompt_file, "Prompt of the warm start")
      ->capture_default_str();
  command->add_option("--seed", flags->sweep.seed, "Another seed, other texts")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Each iteration is a worker that knows nothing yet: it loads, encodes, and then chooses by\n"
      "what that took.\n\n"
      "Example:\n"
      "  promptcache bench loadpath --model model.gguf --tokens 16,256,4096 --json");
  command->callback([flags, &run] { run = [flags] { return RunLoadPath(*flags); }; });
}

}  // namespace promptcache
