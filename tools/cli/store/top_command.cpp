#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/clock.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/top_frame.h"

namespace promptcache {
namespace {

struct TopFlags {
  StoreTarget target;
  double interval_seconds = 2;
  size_t units = 10;
  bool once = false;
};

Result<TopSample> Sample(StoreAccess& access) {
  TopSample sample{.at = SystemClock().Now(), .unix_ms = SystemClock().UnixMillis()};
  PC_ASSIGN_OR_RETURN(sample.stats, access.Stats());
  PC_ASSIGN_OR_RETURN(sample.blobs, ListAll(access.blobs()));
  return sample;
}

void Print(const TopFrame& frame, const TopFlags& flags) {
  if (flags.target.json) return PrintJson(TopToJson(frame));
  const bool screen = !flags.once && ::isatty(STDOUT_FILENO) != 0;
  fmt::print("{}{}", screen ? "\x1b[H\x1b[2J" : "", RenderTop(frame));
}

Result<int> RunTop(const CommandContext& context, const TopFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, flags.target, OpenFor::kLooking));
  PC_ASSIGN_OR_RETURN(TopSample before, Sample(*access));
  do {
    std::this_thread::sleep_for(std::chrono::duration<double>(flags.interval_seconds));
    PC_ASSIGN_OR_RETURN(TopSample now, Sample(*access));
    Print(MakeTopFrame(before, now, flags.units), flags);
    std::fflush(stdout);
    before = std::move(now);
  } while (!flags.once && std::ferror(stdout) == 0);
  return kExitOk;
}

}  // namespace

void AddStoreTop(const StoreCommands& commands) {
  const auto [command, flags] =
      AddStoreSubcommand<TopFlags>(commands,
                                   {"top", "What happens in the store now, and its most used units",
                                    "Until it is stopped. Rates are those of the last interval.\n"
                                    "Examples:\n"
                                    "  promptcache store top --interval 5\n"
                                    "  promptcache store top --once --interval 1 --json"},
                                   RunTop);
  command->add_option("--interval", flags->interval_seconds, "Seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(0.05, 3600.0));
  command->add_option("--units", flags->units, "How many units to name")->capture_default_str();
  command->add_flag("--once", flags->once, "One look, after one interval");
}

}  // namespace promptcache
