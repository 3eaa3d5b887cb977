#include "tools/cli/engine_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

// `--engine model` or `--engine=model`.
bool NamesModelEngine(std::span<char*> arguments) {
  bool after_engine = false;
  for (const std::string_view word : arguments) {
    if (word == "--engine=model" || (after_engine && word == "model")) return true;
    after_engine = word == "--engine";
  }
  return false;
}

bool IsEngineCommand(std::span<char*> arguments) {
  const auto word = [&](size_t index) {
    return index < arguments.size() ? std::string_view(arguments[index]) : std::string_view();
  };
  constexpr std::string_view kBenches[] = {"ttft", "fidelity", "loadpath", "tenants"};
  const bool is_bench =
      word(1) == "bench" && (std::count(std::begin(kBenches), std::end(kBenches), word(2)) > 0 ||
                             (word(2) == "serve" && NamesModelEngine(arguments)));
  constexpr std::string_view kOwn[] = {"run", "precompute", "probe"};
  return std::count(std::begin(kOwn), std::end(kOwn), word(1)) > 0 || is_bench ||
         (word(1) == "model" && word(2) == "logits");
}

}  // namespace

int ReplaceByEngine(const CommandContext& context, std::vector<std::string> words) {
  const std::string engine = (context.bin_directory / "promptcache-engine").string();
  words.insert(words.begin(), engine);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(engine.c_str(), argv.data());
  return Fail(
      Unavailable("cannot start " + engine + ": " + std::strerror(errno) +
                  "; it belongs beside promptcache; the target promptcache-engine makes it, "
                  "in builds with LibTorch"));
}

std::optional<int> RunEngineCommand(const CommandContext& context, std::span<char*> arguments) {
  if (!IsEngineCommand(arguments)) return std::nullopt;
  return ReplaceByEngine(context, {arguments.begin() + 1, arguments.end()});
}

int FailUnlessFirst(const std::string& words) {
  fmt::print(stderr, "promptcache: error: '{}' must come first, before every option\n", words);
  return kExitUsage;
}

void AddEngineCommand(CLI::App& parent, CommandContext& context, const EngineCommand& declared) {
  CLI::App* command = parent.add_subcommand(declared.name, declared.help);
  command->prefix_command()->fallthrough(false);
  command->callback([&context, words = declared.words] {
    context.run = [words] { return FailUnlessFirst(words); };
  });
}

void AddRunCommand(CLI::App& app, CommandContext& context) {
  AddEngineCommand(app, context,
                   {"run", "run", "Answer one prompt in this process, without a cluster"});
  AddEngineCommand(app, context,
                   {"probe", "probe", "Make or check a question with a known answer, for packs"});
}

void AddPrecomputeCommand(CLI::App& app, CommandContext& context) {
  AddEngineCommand(
      app, context,
      {"precompute", "precompute", "Encode units that a store lacks, without a cluster"});
}

}  // namespace promptcache
