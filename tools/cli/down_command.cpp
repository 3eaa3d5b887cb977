#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cluster/launch/stop_cluster.h"
#include "common/clock.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

struct DownFlags {
  std::string run_directory;
  int64_t patience_s = 120;
};

// On a terminal one line that changes, else a line for each change.
class ProgressLines {
 public:
  void Show(const std::vector<std::string>& left) {
    const std::string line = fmt::format("waiting for {}", fmt::join(left, ", "));
    const auto seconds =
        static_cast<int>(MillisecondsBetween(started_, SystemClock().Now()) / 1000);
    if (left.empty() || (line == last_ && (!on_terminal_ || seconds == last_seconds_))) return;
    last_ = line;
    last_seconds_ = seconds;
    fmt::print(stderr, "{}{} ({} s){}", on_terminal_ ? "\r\x1b[K" : "", line, seconds,
               on_terminal_ ? "" : "\n");
    std::fflush(stderr);
  }
  void End() const {
    if (on_terminal_ && !last_.empty()) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  const bool on_terminal_ = ::isatty(STDERR_FILENO) != 0;
  const SteadyTime started_ = SystemClock().Now();
  std::string last_;
  int last_seconds_ = -1;
};

int RunDown(const CommandContext& context, const DownFlags& flags) {
  const auto settings = SettingsOf(context);
  if (!settings.ok()) return Fail(settings.status());
  ProgressLines lines;
  const StopOptions options{
      .run_directory =
          flags.run_directory.empty() ? settings->cluster.run_directory : flags.run_directory,
      .patience = std::chrono::seconds(flags.patience_s),
      .progress = [&lines](const std::vector<std::string>& left) { lines.Show(left); }};
  const auto outcome = StopLocalCluster(options);
  lines.End();
  if (!outcome.ok()) return Fail(outcome.status());
  fmt::print("{}\n", *outcome == StopOutcome::kStopped
                         ? "stopped"
                         : "nothing was running: the last cluster in " + options.run_directory +
                               " had ended without being stopped; what it left was cleaned");
  return kExitOk;
}

}  // namespace

void AddDownCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<DownFlags>();
  CLI::App* command =
      app.add_subcommand("down", "Stop the cluster that `promptcache up` started on this machine");
  command->add_option("--run-directory", flags->run_directory,
                      "That of the cluster (default: cluster.run_directory)");
  command->add_option("--timeout", flags->patience_s, "Seconds to wait for its end")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  command->footer(
      "Example:\n"
      "  promptcache down --run-directory promptcache-run\n"
      "Workers drain and store what they encoded, then the coordinator ends, then the cachestore.\n"
      "Exit codes: 0 stopped, or cleaned what a dead cluster had left; 4 none was started there;\n"
      "6 it belongs to another user, or is just starting; 10 it has not ended in time and goes on\n"
      "stopping: `promptcache down` again waits on.");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunDown(context, *flags); }; });
}

}  // namespace promptcache
