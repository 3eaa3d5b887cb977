#include "tools/cli/serve_flags.h"

#include <fmt/format.h>

#include <map>

namespace promptcache {
namespace {

void AddWorkloadOptions(CLI::App& command, ServeSetup& setup) {
  command.add_option("--clients", setup.clients, "Clients, each with a link of its own")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command
      .add_option("--zipf", setup.workload.zipf,
                  "The k-th schema is asked for in proportion to 1 / k^ZIPF")
      ->check(CLI::Range(0.0, 4.0))
      ->capture_default_str();
  command.add_option("--schemas", setup.workload.schemas, "Schemas of 8 modules each")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command
      .add_option("--references", setup.workload.references,
                  "Modules that a prompt imports, and up to two more")
      ->check(CLI::Range(1, 6))
      ->capture_default_str();
  command.add_option("--words", setup.workload.words, "Of a module, about a token each")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command.add_option("--tokens", setup.tokens, "Of an answer, each in a message of its own")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--seed", setup.workload.seed, "Of schemas, prompts and their order")
      ->capture_default_str();
}

}  // namespace

ServeLimits ServeFlags::limits() const {
  ServeLimits limits;
  if (requests > 0) limits.requests = requests;
  if (seconds > 0 || requests == 0) {
    limits.time = std::chrono::seconds(seconds > 0 ? seconds : default_seconds);
  }
  return limits;
}

void AddServeFlags(CLI::App& command, ServeFlags& flags) {
  AddWorkloadOptions(command, flags.setup);
  const std::map<std::string, LinkKind> links = {{"ipc", LinkKind::kIpc}, {"tcp", LinkKind::kTcp}};
  command.add_option("--workers", flags.setup.cluster.workers, "Workers")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command.add_option("--links", flags.setup.cluster.links, "ipc, or tcp over loopback")
      ->transform(CLI::CheckedTransformer(links));
  command.add_option("--requests", flags.requests, "Of each measurement")
      ->check(CLI::Range(1, 100'000'000));
  command
      .add_option("--seconds", flags.seconds,
                  fmt::format("Of each measurement (default: {})", flags.default_seconds))
      ->check(CLI::Range(1, 86'400));
  command.add_flag("--json", flags.json, "Print JSON");
}

}  // namespace promptcache
