#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/temporary_directory.h"
#include "tools/bench/store_bench.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

struct BenchStoreFlags {
  StoreBenchOptions bench;
  bool json = false;
};

int RunBenchStore(const BenchStoreFlags& flags) {
  InitLog("promptcache-bench", LogLevel::kError, LogFormat::kText);
  StoreBenchOptions options = flags.bench;
  const auto directory = TemporaryDirectory::Make("promptcache-bench", options.directory);
  if (!directory.ok()) return Fail(directory.status());
  options.directory = directory->path();
  const Result<StoreBenchReport> report =
      MeasureStore(options, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", StoreBenchToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderStoreBench(*report));
  }
  return kExitOk;
}

}  // namespace

void AddBenchStoreCommand(CLI::App& bench, CommandContext& context) {
  auto flags = std::make_shared<BenchStoreFlags>();
  CLI::App* command = bench.add_subcommand("store", "A cachestore next to plain files");
  command->add_option(
      "--directory", flags->bench.directory,
      "Where to write, on the disk to be measured (default: the temporary directory)");
  command->add_option("--sizes", flags->bench.sizes_mib, "MiB of a blob")->capture_default_str();
  command->add_option("--total", flags->bench.total_mib, "MiB of all blobs of a size")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--rounds", flags->bench.rounds, "Readings of each blob that count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--small-blobs", flags->bench.small_blobs,
                   "Blobs of the store that is opened and listed; 0: leave it out")
      ->capture_default_str();
  command->add_option("--readers", flags->bench.readers, "Threads that read at once")
      ->capture_default_str();
  command->add_flag("--layouts", flags->bench.layouts,
                    "Also try other ways to lay blobs out in RocksDB");
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Files are written, then blobs; both are read in turn, in pieces of 1 MiB, from a warm page\n"
      "cache into one buffer. `over` compares medians: with the file's of the same kind, and what "
      "comes\n"
      "through the service with the read in one process.\n\n"
      "Example:\n"
      "  promptcache bench store --json > store.json");
  command->callback([&context, flags] { context.run = [flags] { return RunBenchStore(*flags); }; });
}

}  // namespace promptcache
