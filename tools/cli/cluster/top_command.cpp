#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/cli/cluster/top_frame.h"
#include "tools/cli/cluster/watch.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/render.h"

namespace promptcache {
namespace {

struct TopFlags {
  double interval_seconds = 1;
  bool once = false;
  bool json = false;
};

Result<ClusterSample> Look(Client& client) {
  ClusterSample sample{.at = SystemClock().Now(), .unix_ms = SystemClock().UnixMillis()};
  PC_ASSIGN_OR_RETURN(sample.status, client.GetStatus());
  if (!IsForOperators(sample.status)) {
    return FailedPrecondition(
        "the coordinator tells what all tenants do to keys of role admin only; see "
        "`promptcache keygen --help`");
  }
  return sample;
}

void Print(const ClusterFrame& frame, const TopFlags& flags) {
  if (flags.json) {
    fmt::print("{}\n", ClusterFrameToJson(frame).dump());
  } else {
    const bool screen = !flags.once && ::isatty(STDOUT_FILENO) != 0;
    fmt::print("{}{}", screen ? "\x1b[H\x1b[2J" : "", RenderClusterFrame(frame));
  }
  std::fflush(stdout);
}

Status RunTop(const CommandContext& context, const TopFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto client, ConnectClient(context));
  const std::chrono::duration<double> interval(flags.interval_seconds);
  return Watch({.look = [&] { return Look(*client); },
                .wait = [&] { std::this_thread::sleep_for(interval); },
                .show =
                    [&](const ClusterFrame& frame) {
                      Print(frame, flags);
                      return std::ferror(stdout) == 0;
                    },
                .unreachable =
                    [](const Status& why) {
                      fmt::print(stderr, "promptcache: {}; still looking\n", why.message());
                    }},
               flags.once ? Frames::kOne : Frames::kAll);
}

}  // namespace

void AddTopCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<TopFlags>();
  CLI::App* command = app.add_subcommand(
      "top", "What the cluster does now: workers, backlog, hits by tier, tokens/s, p99");
  command->add_option("--interval", flags->interval_seconds, "Seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(0.05, 3600.0));
  command->add_flag("--once", flags->once, "One look, after one interval");
  command->add_flag("--json", flags->json, "Print JSON, an object a line");
  command->footer(
      "Until it is stopped, also while no coordinator can be reached; of several, one is shown, "
      "and\n"
      "the next when that one is lost. The workers with most work before them come first; rates "
      "are\n"
      "those of the last interval.\n"
      "Examples:\n"
      "  promptcache top\n"
      "  promptcache top --once --json");
  command->callback([&context, flags] {
    context.run = [&context, flags] {
      const Status status = RunTop(context, *flags);
      return status.ok() ? kExitOk : Fail(status);
    };
  });
}

}  // namespace promptcache
