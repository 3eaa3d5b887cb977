#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "tools/bench/serve_bench.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/temporary_directory.h"

namespace promptcache {
namespace {

constexpr uint32_t kDefaultSeconds = 10;

struct BenchServeFlags {
  ServeBenchOptions bench;
  uint64_t requests = 0;  // 0: not given
  uint32_t seconds = 0;   // 0: not given
  bool json = false;
};

ServeBenchProgress BarOnTerminal() {
  if (::isatty(STDERR_FILENO) == 0) return nullptr;
  return [shown = std::string()](const std::string& what, double share) mutable {
    constexpr size_t kWidth = 30;
    const auto full = static_cast<size_t>(share * kWidth);
    std::string line = fmt::format("{} [{}{}] {:3.0f} %", what, std::string(full, '#'),
                                   std::string(kWidth - full, '-'), 100 * share);
    if (line == shown) return;
    fmt::print(stderr, "\r{}\x1b[K{}", line, share >= 1 ? "\n" : "");
    shown = std::move(line);
  };
}

ServeLimits LimitsOf(const BenchServeFlags& flags) {
  ServeLimits limits;
  if (flags.requests > 0) limits.requests = flags.requests;
  if (flags.seconds > 0 || flags.requests == 0) {
    limits.time = std::chrono::seconds(flags.seconds > 0 ? flags.seconds : kDefaultSeconds);
  }
  return limits;
}

int RunBenchServe(const BenchServeFlags& flags) {
  InitLog("promptcache-bench", LogLevel::kError, LogFormat::kText);
  ServeBenchOptions options = flags.bench;
  options.limits = LimitsOf(flags);
  const auto directory = TemporaryDirectory::Make("promptcache-bench");
  if (!directory.ok()) return Fail(directory.status());
  options.directory = directory->path();
  const Result<ServeBenchReport> report = MeasureServe(options, BarOnTerminal());
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", ServeBenchToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderServeBench(*report));
  }
  return report->closed.failed + report->open.failed == 0 ? kExitOk : kExitCheckFailed;
}

void AddWorkloadOptions(CLI::App& command, ServeBenchOptions& bench) {
  command.add_option("--clients", bench.clients, "Clients, each with a link of its own")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command
      .add_option("--zipf", bench.workload.zipf,
                  "The k-th schema is asked for in proportion to 1 / k^ZIPF")
      ->check(CLI::Range(0.0, 4.0))
      ->capture_default_str();
  command.add_option("--schemas", bench.workload.schemas, "Schemas of 8 modules each")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command
      .add_option("--references", bench.workload.references,
                  "Modules that a prompt imports, and up to two more")
      ->check(CLI::Range(1, 6))
      ->capture_default_str();
  command.add_option("--tokens", bench.tokens, "Of an answer, each in a message of its own")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--seed", bench.workload.seed, "Of schemas, prompts and their order")
      ->capture_default_str();
}

void AddClusterOptions(CLI::App& command, ServeBenchOptions& bench) {
  const std::map<std::string, LinkKind> links = {{"ipc", LinkKind::kIpc}, {"tcp", LinkKind::kTcp}};
  command.add_option("--model", bench.model, "Whose tokenizer and metadata are used")
      ->capture_default_str();
  command.add_option("--workers", bench.cluster.workers, "Workers that run no model")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command.add_option("--links", bench.cluster.links, "ipc, or tcp over loopback")
      ->transform(CLI::CheckedTransformer(links));
}

}  // namespace

void AddBenchServeCommand(CLI::App& bench, CommandContext& context) {
  auto flags = std::make_shared<BenchServeFlags>();
  flags->bench.model = PROMPTCACHE_DEFAULT_MODEL;
  CLI::App* command =
      bench.add_subcommand("serve", "What one coordinator serves, with workers that run no model");
  AddWorkloadOptions(*command, flags->bench);
  AddClusterOptions(*command, flags->bench);
  command->add_option("--requests", flags->requests, "Of each measurement")
      ->check(CLI::Range(1, 100'000'000));
  command->add_option("--seconds", flags->seconds, "Of each measurement (default: 10)")
      ->check(CLI::Range(1, 86'400));
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
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Coordinator, cachestore, workers and clients run in this process and talk over sockets.\n"
      "Workers look up, load and store real units and answer with words that depend on their\n"
      "bytes. No two prompts are alike. First every client sends its next request when the last\n"
      "one has ended; then requests come at random moments, and their times count from these.\n\n"
      "Examples:\n"
      "  promptcache bench serve --clients 64 --zipf 1.1 --json\n"
      "  promptcache bench serve --soak 600");
  command->callback([&context, flags] { context.run = [flags] { return RunBenchServe(*flags); }; });
}

}  // namespace promptcache
