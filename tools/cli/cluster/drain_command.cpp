#include <fmt/format.h>

#include <memory>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

struct DrainFlags {
  std::string worker;
  bool resume = false;
};

int RunDrain(const CommandContext& context, const DrainFlags& flags) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  const DrainChange change = flags.resume ? DrainChange::kResume : DrainChange::kDrain;
  if (const Status done = (*client)->DrainWorker(flags.worker, change); !done.ok()) {
    return Fail(done);
  }
  const char* const now = flags.resume ? "takes requests again"
                                       : "takes no new requests; `promptcache status` says when "
                                         "it has none left";
  fmt::print("'{}' {}\n", flags.worker, now);
  return kExitOk;
}

}  // namespace

void AddDrainCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<DrainFlags>();
  CLI::App* command = app.add_subcommand(
      "drain", "Give a worker no new requests, of any coordinator, and let it finish what it has");
  command->add_option("worker", flags->worker, "Its name, as in `promptcache status`")->required();
  command->add_flag("--resume", flags->resume, "Give it requests again");
  command->footer(
      "It holds until the worker restarts. Where links have keys, an admin's is needed.\n"
      "Examples:\n"
      "  promptcache drain worker-2\n"
      "  promptcache drain worker-2 --resume");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunDrain(context, *flags); }; });
}

}  // namespace promptcache
