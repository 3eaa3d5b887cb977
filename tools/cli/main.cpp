#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "common/version.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  promptcache up --model model.gguf          start a local cluster\n"
    "  promptcache schema add support-desk.xml    register a schema\n"
    "  promptcache submit --prompt question.xml   ask, and see where each unit came from\n"
    "  promptcache run --model model.gguf --schema support-desk.xml --prompt question.xml\n"
    "\n";

int Main(int argc, char** argv) {
  CLI::App app("Prompt Cache: prompts made of cached modules");
  app.name("promptcache");
  app.set_version_flag("--version", fmt::format("promptcache {} ({})", kVersion, kBuildType));
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(std::string(kExamples) + kExitCodeHelp);

  CommandContext context;
  std::error_code ignored;
  context.bin_directory = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::span<char*> arguments(argv, static_cast<size_t>(argc));
  if (const auto code = RunEngineCommand(context, arguments)) return *code;
  app.add_option("--config", context.config_file,
                 "TOML file; see `promptcache config --reference`");
  app.add_option("--connect", context.endpoints,
                 "A coordinator's client endpoint; again for each one that may take its place "
                 "(default: coordinator.client_endpoint)")
      ->allow_extra_args(false);

  AddUpCommand(app, context);
  AddDownCommand(app, context);
  AddRunCommand(app, context);
  AddSchemaCommand(app, context);
  AddPlanCommand(app, context);
  AddSubmitCommand(app, context);
  AddBatchCommand(app, context);
  AddStoreCommand(app, context);
  AddPrecomputeCommand(app, context);
  AddBenchCommand(app, context);
  AddModelCommand(app, context);
  AddSimulateCommand(app, context);
  AddStatusCommand(app, context);
  AddTopCommand(app, context);
  AddExplainCommand(app, context);
  AddTraceCommand(app, context);
  AddDrainCommand(app, context);
  AddConfigCommand(app, context);
  AddKeygenCommand(app, context);
  AddKeysCommand(app, context);
  AddDemoCommand(app, context);

  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    if (app.get_subcommands().empty() && app.remaining_size() > 0) {
      fmt::print(stderr, "promptcache: error: unknown command '{}'; see `promptcache --help`\n",
                 app.remaining()[0]);
      return kExitUsage;
    }
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  const int code = context.run();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return Fail(Unavailable("cannot write to standard output"));
}

}  // namespace
}  // namespace promptcache

int main(int argc, char** argv) { return promptcache::Main(argc, argv); }
