// Commands that promptcache-engine carries out, declared so that --help names them.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/commands.h"

namespace promptcache {

struct EngineCommand {
  std::string words;  // all of it: "bench ttft"
  std::string name;   // below its parent: "ttft"
  std::string help;
};

// Replaces this process by promptcache-engine with these arguments; the exit code of not being able
// to.
int ReplaceByEngine(const CommandContext& context, std::vector<std::string> words);

// Says that they must come before every option; the exit code of wrong usage.
int FailUnlessFirst(const std::string& words);

// It is an error to get as far as running it: RunEngineCommand comes before.
void AddEngineCommand(CLI::App& parent, CommandContext& context, const EngineCommand& declared);

}  // namespace promptcache
