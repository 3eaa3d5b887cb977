#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>

#include "common/log.h"
#include "common/process.h"
#include "common/temporary_directory.h"
#include "tools/chaos/attack_run.h"
#include "tools/chaos/run.h"

namespace promptcache::chaos {
namespace {

namespace fs = std::filesystem;

constexpr int kExitViolations = 1;
constexpr int kExitCannotTry = 2;
constexpr int kExitSkipped = 77;  // as ctest and test programs have it

constexpr std::string_view kTiny = "tiny";

struct Flags {
  int64_t seconds = 60;
  int64_t pause_ms = 300;
  std::optional<uint64_t> seed;
  std::string bin_directory;
  std::string real;
  bool netns = false;
  bool keep = false;
  bool json = false;
};

void Say(const std::string& line) { fmt::print(stderr, "promptcache-chaos: {}\n", line); }

int CannotTry(const Status& status) {
  Say("error: " + status.ToString());
  return kExitCannotTry;
}

constexpr char kDirectoryName[] = "promptcache-chaos";

// Long enough for trouble to come while a request runs; short, where a request that waits for
// others shall be seen.
constexpr milliseconds kTroubledStep{10};
constexpr milliseconds kAttackedStep{1};

EngineChoice EngineOf(const Flags& flags, const std::string& directory, milliseconds step) {
  if (!flags.real.empty() && flags.real != kTiny) return RealEngine(flags.real);
  const std::string tiny = TinyModelIn(directory + "/model");
  return flags.real.empty() ? FakeEngine(tiny, step) : RealEngine(tiny);
}

int MakeTrouble(const Flags& flags) {
  RunOptions options{.seed = flags.seed.value_or(std::random_device()()),
                     .time = std::chrono::seconds(flags.seconds),
                     .pause = milliseconds(flags.pause_ms),
                     .bin_directory = flags.bin_directory,
                     .network = flags.netns ? NetworkUse::kNamespaces : NetworkUse::kLoopback,
                     .progress = Say};
  Say(fmt::format("seed {}", options.seed));
  options.sandbox = EnterSandbox(options.network);
  std::atomic<bool> stop{false};
  CallOnStopSignal([&stop] { stop = true; });
  options.stop_requested = [&stop] { return stop.load(); };
  auto directory = TemporaryDirectory::Make(kDirectoryName);
  if (!directory.ok()) return CannotTry(directory.status());
  options.directory = directory->path();
  options.engine = EngineOf(flags, options.directory, kTroubledStep);
  auto report = RunChaos(options);
  if (flags.keep || !report.ok() || !report->violations.empty()) {
    Say("logs and history are in " + directory->Keep());
  }
  if (!report.ok()) return CannotTry(report.status());
  if (flags.keep || !report->violations.empty()) report->directory = options.directory;
  fmt::print("{}\n", flags.json ? ReportAsJson(*report).dump(2) : RenderReport(*report));
  return report->violations.empty() ? 0 : kExitViolations;
}

int AttackIt(const Flags& flags) {
  auto directory = TemporaryDirectory::Make(kDirectoryName);
  if (!directory.ok()) return CannotTry(directory.status());
  const std::string path = directory->path();
  const auto services = RunAttacks({.bin_directory = flags.bin_directory,
                                    .directory = path,
                                    .engine = EngineOf(flags, path, kAttackedStep),
                                    .progress = Say});
  if (flags.keep || !services.ok()) directory->Keep();
  if (!services.ok()) return CannotTry(services.status().WithContext("see " + path));
  fmt::print("{}\n", flags.json ? ServicesAsJson(*services).dump(2) : RenderServices(*services));
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("A cluster of real processes in trouble, and whether it keeps its promises",
               "promptcache-chaos");
  app.fallthrough();
  Flags flags;
  std::error_code ignored;
  flags.bin_directory = fs::read_symlink("/proc/self/exe", ignored).parent_path().string();
  app.add_option("--seconds", flags.seconds, "How long trouble is made")
      ->check(CLI::Range(1, 86'400));
  app.add_option("--pause-ms", flags.pause_ms, "Between two faults, on average")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "What goes wrong and when; default: another one each time");
  app.add_option("--real", flags.real,
                 "A model, or 'tiny' for one that is made for the run: promptcache-worker answers "
                 "with it, in fp32, not the fake engine");
  app.add_flag("--netns", flags.netns,
               "Each process in a network namespace of its own, where that is permitted");
  app.add_flag("--keep", flags.keep, "Keep logs and history also when all is well");
  app.add_flag("--json", flags.json, "The report as JSON");
  app.add_option("--bin-directory", flags.bin_directory, "Where the programs lie");
  const CLI::App* attack = app.add_subcommand(
      "attack", "A good client, quiet and beside others that attack: how well it is served");
  app.footer(
      "Exit codes: 0 no promise broken, 1 violations, 2 it could not be tried, 77 no such model\n"
      "Example:\n  promptcache-chaos --seconds 180 --seed 7 --netns");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitCannotTry;
  }
  InitLog("chaos", LogLevel::kError, LogFormat::kText);  // what clients warn of is no news here
  if (!flags.real.empty() && flags.real != kTiny && !fs::exists(flags.real)) {
    Say("skipped: there is no model " + flags.real);
    return kExitSkipped;
  }
  return attack->parsed() ? AttackIt(flags) : MakeTrouble(flags);
}

}  // namespace
}  // namespace promptcache::chaos

int main(int argc, char** argv) { return promptcache::chaos::Main(argc, argv); }
