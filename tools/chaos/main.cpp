#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "common/ids.h"
#include "common/process.h"
#include "tests/integration/tiny_model_directory.h"
#include "tools/chaos/run.h"

namespace promptcache::chaos {
namespace {

namespace fs = std::filesystem;

constexpr int kExitViolations = 1;
constexpr int kExitUsage = 2;
constexpr int kExitSkipped = 77;  // as ctest and test programs have it

struct Flags {
  int64_t seconds = 60;
  std::optional<uint64_t> seed;
  std::string bin_directory;
  std::string real;
  bool netns = false;
  bool keep = false;
  bool json = false;
};

Result<std::string> MakeDirectory() {
  const fs::path path =
      fs::temp_directory_path() / ("promptcache-chaos-" + RequestId::Random().ToHex());
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Unavailable("cannot create " + path.string() + ": " + error.message());
  return path.string();
}

// The engine whose answers follow from prompts and units alone, or the real one in fp32.
void ChooseEngine(const Flags& flags, RunOptions& options) {
  if (!flags.real.empty()) {
    options.model = flags.real;
    options.worker_program = "promptcache-worker";
    return;
  }
  options.model = options.directory + "/model";
  fs::create_directories(options.model);
  testing::WriteTinyModel("llama3", options.model);
  options.worker_program = "promptcache-fake-worker";
  options.worker_flags = {"--step-us", "4000", "--kv-bytes-per-token", "4096"};
}

int RunProgram(const Flags& flags) {
  RunOptions options{.seed = flags.seed.value_or(std::random_device()()),
                     .time = std::chrono::seconds(flags.seconds),
                     .bin_directory = flags.bin_directory,
                     .network = flags.netns ? NetworkUse::kNamespaces : NetworkUse::kLoopback};
  fmt::print(stderr, "promptcache-chaos: seed {}\n", options.seed);
  if (!flags.real.empty() && !fs::exists(flags.real)) {
    fmt::print(stderr, "promptcache-chaos: skipped: there is no model {}\n", flags.real);
    return kExitSkipped;
  }
  options.sandbox = EnterSandbox(options.network);
  std::atomic<bool> stop{false};
  CallOnStopSignal([&stop] { stop = true; });
  options.stop_requested = [&stop] { return stop.load(); };
  options.progress = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  auto directory = MakeDirectory();
  if (!directory.ok()) {
    fmt::print(stderr, "promptcache-chaos: error: {}\n", directory.status().message());
    return kExitUsage;
  }
  options.directory = *directory;
  ChooseEngine(flags, options);
  auto report = RunChaos(options);
  const bool keep = flags.keep || !report.ok() || !report->violations.empty();
  std::error_code ignored;
  if (!keep) fs::remove_all(*directory, ignored);
  if (!report.ok()) {
    fmt::print(stderr, "promptcache-chaos: error: {}; see {}\n", report.status().ToString(),
               *directory);
    return kExitUsage;
  }
  if (keep) report->directory = *directory;
  fmt::print("{}\n", flags.json ? ReportAsJson(*report).dump(2) : RenderReport(*report));
  return report->violations.empty() ? 0 : kExitViolations;
}

int Main(int argc, char** argv) {
  CLI::App app("A cluster of real processes in trouble, and whether it keeps its promises",
               "promptcache-chaos");
  Flags flags;
  std::error_code ignored;
  flags.bin_directory = fs::read_symlink("/proc/self/exe", ignored).parent_path().string();
  app.add_option("--seconds", flags.seconds, "How long trouble is made")
      ->check(CLI::Range(1, 86'400));
  app.add_option("--seed", flags.seed, "What goes wrong and when; default: another one each time");
  app.add_option("--real", flags.real,
                 "A model: promptcache-worker answers with it, in fp32, not the fake engine");
  app.add_flag("--netns", flags.netns,
               "Each process in a network namespace of its own, where that is permitted");
  app.add_flag("--keep", flags.keep, "Keep logs and history also when all is well");
  app.add_flag("--json", flags.json, "The report as JSON");
  app.add_option("--bin-directory", flags.bin_directory, "Where the programs lie");
  app.footer(
      "Exit codes: 0 no promise broken, 1 violations, 2 it could not be tried, 77 no such model\n"
      "Example:\n  promptcache-chaos --seconds 180 --seed 7 --netns");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  return RunProgram(flags);
}

}  // namespace
}  // namespace promptcache::chaos

int main(int argc, char** argv) { return promptcache::chaos::Main(argc, argv); }
