#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/config.h"
#include "tools/cli/commands.h"
#include "tools/cli/config_check.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

int RunStatus(const CommandContext& context, bool json) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  auto status = (*client)->GetStatus();
  if (!status.ok()) return Fail(status.status());
  if (json) {
    fmt::print("{}\n", StatusToJson(*status).dump(2));
  } else {
    fmt::print("{}", RenderStatus(*status));
  }
  return kExitOk;
}

int PrintConfigTable() {
  Table table({{"setting"}, {"type"}, {"default"}, {"unit"}, {"meaning"}});
  for (const SettingDescription& s : DescribeSettings()) {
    table.AddRow({s.key, s.type, s.fallback, s.unit, s.meaning});
  }
  fmt::print("{}", table.Render());
  return kExitOk;
}

}  // namespace

void AddStatusCommand(CLI::App& app, CommandContext& context) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("status", "Show the coordinator and its workers");
  command->add_flag("--json", *json, "Print JSON");
  command->footer("Example:\n  promptcache status --json");
  command->callback(
      [&context, json] { context.run = [&context, json] { return RunStatus(context, *json); }; });
}

void AddConfigCommand(CLI::App& app, CommandContext& context) {
  auto reference = std::make_shared<bool>(false);
  auto check = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("config", "Explain and check settings");
  command->add_flag("--reference", *reference, "Print every setting as a commented TOML file");
  command->add_option("--check", *check, "Say what the services would refuse of this file");
  command->footer(
      "Examples:\n"
      "  promptcache config --reference > cluster.toml\n"
      "  promptcache config --check cluster.toml");
  command->callback([&context, reference, check] {
    context.run = [reference, check] {
      if (!check->empty()) {
        const Status status = CheckSettingsFile(*check);
        if (!status.ok()) return Fail(status);
        fmt::print("{}: ok\n", *check);
        return kExitOk;
      }
      if (!*reference) return PrintConfigTable();
      fmt::print("{}", RenderSettingsReference());
      return kExitOk;
    };
  });
}

}  // namespace promptcache
