#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/temporary_directory.h"
#include "tools/bench/serve_bench.h"
#include "tools/cli/commands.h"
#include "tools/cli/engine_commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/cli/serve_flags.h"

namespace promptcache {
namespace {

struct BenchServeFlags {
  ServeFlags serve;
  ServeBenchOptions bench;  // but its setup
  std::string engine = "fake";
};

int RunBenchServe(const BenchServeFlags& flags) {
  if (flags.engine == "model") return FailUnlessFirst("bench serve");
  InitLog("promptcache-bench", LogLevel::kError, LogFormat::kText);
  ServeBenchOptions options = flags.bench;
  options.setup = flags.serve.setup;
  options.setup.limits = flags.serve.limits();
  const auto directory = TemporaryDirectory::Make("promptcache-bench");
  if (!directory.ok()) return Fail(directory.status());
  options.setup.cluster.directory = directory->path();
  const Result<ServeBenchReport> report = MeasureServe(options, BarOnTerminal());
  if (!report.ok()) return Fail(report.status());
  if (flags.serve.json) {
    fmt::print("{}\n", ServeBenchToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderServeBench(*report));
  }
  return report->closed.failed + report->open.failed == 0 ? kExitOk : kExitCheckFailed;
}

}  // namespace

void AddBenchServeCommand(CLI::App& bench, CommandContext& context) {
  auto flags = std::make_shared<BenchServeFlags>();
  ServeSetup& setup = flags->serve.setup;
  setup.model = PROMPTCACHE_DEFAULT_MODEL;
  setup.cluster.workers = 2;
  CLI::App* command = bench.add_subcommand(
      "serve", "What one coordinator serves, with workers that run no model or a real one");
  command
      ->add_option("--engine", flags->engine,
                   "fake: workers run no model; model: they do, with reuse and without (has "
                   "options of its own: bench serve --engine model --help)")
      ->check(CLI::IsMember({"fake", "model"}))
      ->capture_default_str();
  command->add_option("--model", setup.model, "Whose tokenizer and metadata are used")
      ->capture_default_str();
  AddServeFlags(*command, flags->serve);
  command
      ->add_option("--rate", flags->bench.rate,
                   "Requests a second of the second measurement (default: half of what the first "
                   "reached)")
      ->check(CLI::PositiveNumber);
  command
      ->add_option(
          "--soak", flags->bench.soak_seconds,
          "Instead, load it for so many seconds and say whether memory and open files grow")
      ->check(CLI::Range(2, 864'000));
  command->footer(
      "Coordinator, cachestore, workers and clients run in this process and talk over sockets.\n"
      "Workers look up, load and store real units and answer with words that depend on their\n"
      "bytes. No two prompts are alike. First every client sends its next request when the last\n"
      "one has ended; then requests come at random moments, and their times count from these.\n\n"
      "Examples:\n"
      "  promptcache bench serve --clients 64 --zipf 1.1 --json\n"
      "  promptcache bench serve --soak 600\n"
      "  promptcache bench serve --engine model --model model.gguf --clients 16");
  command->callback([&context, flags] { context.run = [flags] { return RunBenchServe(*flags); }; });
}

}  // namespace promptcache
