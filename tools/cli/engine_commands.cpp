#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "tools/cli/commands.h"

namespace promptcache {
namespace {

constexpr std::array<std::pair<std::string_view, const char*>, 2> kEngineCommands{{
    {"run", "Answer one prompt in this process, without a cluster"},
    {"bench", "Measure time to first token (bench ttft --help)"},
}};

}  // namespace

std::optional<int> RunEngineCommand(const CommandContext& context, std::span<char*> arguments) {
  const bool known = arguments.size() > 1 &&
                     std::any_of(kEngineCommands.begin(), kEngineCommands.end(),
                                 [&](const auto& one) { return one.first == arguments[1]; });
  if (!known) return std::nullopt;
  const std::string engine = (context.bin_directory / "promptcache-engine").string();
  std::vector<std::string> words = {engine};
  words.insert(words.end(), arguments.begin() + 1, arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(engine.c_str(), argv.data());
  return Fail(Unavailable("cannot start " + engine + ": " + std::strerror(errno) +
                          "; it is built with -DPROMPTCACHE_WITH_TORCH=ON"));
}

void AddEngineCommands(CLI::App& app, CommandContext& context) {
  for (const auto& [name, help] : kEngineCommands) {
    CLI::App* command = app.add_subcommand(std::string(name), help);
    command->allow_extras();
    command->callback([&context, name = name] {
      context.run = [name] {
        return Fail(InvalidArgument("'" + std::string(name) + "' must be the first word"));
      };
    });
  }
}

}  // namespace promptcache
