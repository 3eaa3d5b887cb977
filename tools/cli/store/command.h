// How the subcommands of `promptcache store` are declared.
#pragma once

#include <memory>
#include <utility>

#include "tools/cli/commands.h"
#include "tools/cli/store/access.h"

namespace promptcache {

// `promptcache store`, below which commands are added.
struct StoreCommands {
  CLI::App& parent;
  CommandContext& context;
};

struct CommandWords {
  const char* name;
  const char* help;
  const char* footer;  // examples, what the exit code says
};

// For options whose empty value is no value: a message where it is empty.
std::string CheckNotEmpty(const std::string& word);
// Adds --endpoint and --directory.
void AddStoreOptions(CLI::App& command, StoreTarget& target);
// Prints the error of `code` if it is one.
int ExitWith(const Result<int>& code);

// Adds a command without options but --json; `run` prints and gives the exit code.
template <typename Flags>
std::pair<CLI::App*, std::shared_ptr<Flags>> AddPlainCommand(
    const StoreCommands& commands, const CommandWords& words,
    Result<int> (*run)(const CommandContext&, const Flags&)) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = commands.parent.add_subcommand(words.name, words.help);
  command->footer(words.footer);
  command->add_flag("--json", flags->target.json, "Print JSON: bytes, seconds and unix ms");
  command->callback([&context = commands.context, flags, run] {
    context.run = [&context, flags, run] { return ExitWith(run(context, *flags)); };
  });
  return {command, flags};
}

// Also with --endpoint and --directory. `Flags` has a StoreTarget `target`.
template <typename Flags>
std::pair<CLI::App*, std::shared_ptr<Flags>> AddStoreSubcommand(
    const StoreCommands& commands, const CommandWords& words,
    Result<int> (*run)(const CommandContext&, const Flags&)) {
  auto added = AddPlainCommand<Flags>(commands, words, run);
  AddStoreOptions(*added.first, added.second->target);
  return added;
}

void AddStoreCheck(const StoreCommands& commands);  // fsck, gc
void AddStoreDiff(const StoreCommands& commands);
void AddStoreExport(const StoreCommands& commands);  // export, keygen
void AddStoreImport(const StoreCommands& commands);
void AddStoreList(const StoreCommands& commands);
void AddStorePin(const StoreCommands& commands);  // pin, unpin
void AddStoreRemove(const StoreCommands& commands);
void AddStoreShow(const StoreCommands& commands);
void AddStoreStat(const StoreCommands& commands);
void AddStoreTop(const StoreCommands& commands);
void AddStoreVerify(const StoreCommands& commands);

}  // namespace promptcache
