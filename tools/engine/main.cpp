#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/temporary_directory.h"
#include "common/version.h"
#include "tools/bench/ttft.h"
#include "tools/cli/answer_output.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/generation_flags.h"
#include "tools/cli/offline_schema.h"
#include "tools/engine/embedded.h"
#include "tools/engine/engine_flags.h"
#include "tools/engine/fidelity_command.h"
#include "tools/engine/load_path_command.h"
#include "tools/engine/model_logits.h"
#include "tools/engine/precompute_command.h"
#include "tools/engine/probe_command.h"
#include "tools/engine/serve_command.h"
#include "tools/engine/tenants_command.h"
#include "worker/device/compute_environment.h"

namespace promptcache {
namespace {

// ---- run ----

struct RunFlags {
  EmbeddedOptions system;
  std::string schema_file;
  std::string prompt_file = "-";
  GenerationFlags generation;
  AnswerOutput output;
};

// What fails before the prompt is sent; then the answer says how it went.
Status AskOnce(EmbeddedSystem& system, const RunFlags& flags, Answer& answer) {
  PC_ASSIGN_OR_RETURN(const SchemaAdd add, ReadSchemaAdd({.file = flags.schema_file}));
  PC_RETURN_IF_ERROR(system.client().AddSchema(add).status());
  PC_ASSIGN_OR_RETURN(std::string prompt, ReadInput(flags.prompt_file));
  answer = system.client().Submit(flags.generation.ToSubmit(std::move(prompt)),
                                  flags.generation.ToOptions(),
                                  flags.output.Stream(flags.generation.options));
  return {};
}

int RunOnce(const RunFlags& flags) {
  auto system = EmbeddedSystem::Start(flags.system);
  if (!system.ok()) return Fail(system.status());
  Answer answer;
  const Status status = AskOnce(**system, flags, answer);
  return status.ok() ? flags.output.Finish(answer) : Fail(status);
}

void AddRun(CLI::App& app, std::function<int()>& run) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "Answer one prompt in this process");
  AddEngineFlags(*command, flags->system);
  command->add_option("--schema", flags->schema_file, "PML schema file")->required();
  command->add_option("--prompt", flags->prompt_file, "PML prompt file, - for standard input")
      ->capture_default_str();
  command->add_option("--store", flags->system.store_directory,
                      "Keep encoded units in this directory (default: in memory)");
  flags->output.AddTo(*command);
  flags->generation.AddTo(*command);
  command->footer(
      "Example:\n"
      "  promptcache run --model model.gguf --schema support-desk.xml --prompt question.xml "
      "--store units");
  command->callback([flags, &run] { run = [flags] { return RunOnce(*flags); }; });
}

// ---- bench ttft ----

struct BenchFlags {
  EmbeddedOptions system;
  TtftOptions ttft;
  bool json = false;
};

int RunTtft(const BenchFlags& flags) {
  // Workers come and go here on purpose.
  InitLog("promptcache-bench", LogLevel::kError, LogFormat::kText);
  const auto measure = [&]() -> Result<TtftReport> {
    PC_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make("promptcache-bench"));
    EmbeddedOptions options = flags.system;
    options.store_directory = directory.path();
    PC_ASSIGN_OR_RETURN(const auto system, EmbeddedSystem::Start(options));
    return MeasureTtft(*system, flags.ttft,
                       [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
  };
  const Result<TtftReport> report = measure();
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", TtftToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderTtft(*report));
  }
  return kExitOk;
}

void AddBench(CLI::App& app, std::function<int()>& run) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* bench = app.add_subcommand("bench", "Measure what needs a model's weights");
  bench->require_subcommand(1);
  bench->footer("Compiling schemas and prompts is measured by `promptcache bench pml`.");
  CLI::App* command =
      bench->add_subcommand("ttft", "Time to first token of the same work done five ways");
  AddEngineFlags(*command, flags->system);
  WorkloadShape& shape = flags->ttft.shape;
  command->add_option("--cached", shape.cached, "Tokens in modules")->capture_default_str();
  command->add_option("--modules", shape.modules, "Modules they are spread over")
      ->capture_default_str();
  command->add_option("--new", shape.new_tokens, "Tokens of the question")->capture_default_str();
  command->add_option("--iterations", flags->ttft.iterations, "Measured runs of each case")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--tiny-units", flags->ttft.tiny_units,
                   "Modules of the case with one-token units; 0: leave it out")
      ->capture_default_str();
  command->add_option("--seed", flags->ttft.seed, "Another seed, other texts")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Example:\n"
      "  promptcache bench ttft --model model.gguf --cached 2048 --modules 8 --new 64 --json");
  command->callback([flags, &run] { run = [flags] { return RunTtft(*flags); }; });
  AddFidelityCommand(*bench, run);
  AddLoadPathCommand(*bench, run);
  AddServeCommand(*bench, run);
  AddTenantsCommand(*bench, run);
}

int Main(int argc, char** argv) {
  CLI::App app("Prompt Cache: the commands that compute");
  app.name("promptcache");
  app.set_version_flag("--version", fmt::format("promptcache {} ({})", kVersion, kBuildType));
  app.require_subcommand(1);
  app.footer(kExitCodeHelp);
  std::function<int()> run;
  AddRun(app, run);
  AddBench(app, run);
  AddModelLogits(app, run);
  AddPrecompute(app, run);
  AddProbeCommand(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return run();
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) {
  for (const auto& variable : promptcache::kComputeEnvironment) {
    if (std::getenv(variable.name) != nullptr) continue;
    promptcache::RestartWithEnvironment(promptcache::kComputeEnvironment, argv);
    break;
  }
  return promptcache::Main(argc, argv);
}
