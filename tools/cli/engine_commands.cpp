#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/cli/commands.h"

namespace promptcache {
namespace {

// Replaces this process; returns only when that failed.
int ExecEngine(const CommandContext& context, const std::string& subcommand,
               const std::vector<std::string>& arguments) {
  const std::string engine = (context.bin_directory / "promptcache-engine").string();
  std::vector<std::string> words = {engine, subcommand};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(engine.c_str(), argv.data());
  return Fail(Unavailable("cannot start " + engine + ": " + std::strerror(errno) +
                          "; it is built with -DPROMPTCACHE_WITH_TORCH=ON"));
}

}  // namespace

void AddEngineCommands(CLI::App& app, CommandContext& context) {
  const auto add = [&](const std::string& name, const char* help) {
    CLI::App* command = app.add_subcommand(name, help);
    command->prefix_command();
    command->set_help_flag();  // the engine prints its own
    command->callback([&context, command, name] {
      context.run = [&context, arguments = command->remaining(), name] {
        return ExecEngine(context, name, arguments);
      };
    });
  };
  add("run", "Answer one prompt in this process, without a cluster");
  add("bench", "Measure time to first token (bench ttft --help)");
}

}  // namespace promptcache
