#include "tools/cli/store/command.h"

namespace promptcache {

void AddStoreOptions(CLI::App& command, StoreTarget& target) {
  CLI::Option* endpoint = command
                              .add_option("--endpoint", target.endpoint,
                                          "The running cachestore (default: store.endpoint)")
                              ->check(CheckNotEmpty);
  command
      .add_option("--directory", target.directory,
                  "The store's directory, while no daemon has it open")
      ->check(CheckNotEmpty)
      ->excludes(endpoint);
}

std::string CheckNotEmpty(const std::string& word) { return word.empty() ? "it is empty" : ""; }

int ExitWith(const Result<int>& code) { return code.ok() ? *code : Fail(code.status()); }

void AddStoreCommand(CLI::App& app, CommandContext& context) {
  CLI::App* parent = app.add_subcommand("store", "Look into a cachestore, check it, carry it");
  parent->require_subcommand(1);
  parent->footer(
      "Each command works on a running cachestore, or with --directory on its files while none "
      "runs.\n"
      "Examples:\n"
      "  promptcache store ls --schema support-desk --sort saved\n"
      "  promptcache store show support-desk/refunds --directory promptcache-run/store\n"
      "  promptcache store verify && promptcache store export support.pcpk --schema support-desk");
  const StoreCommands commands{*parent, context};
  AddStoreList(commands);
  AddStoreShow(commands);
  AddStoreStat(commands);
  AddStoreTop(commands);
  AddStoreVerify(commands);
  AddStoreCheck(commands);
  AddStorePin(commands);
  AddStoreRemove(commands);
  AddStoreExport(commands);
  AddStoreImport(commands);
  AddStoreDiff(commands);
}

}  // namespace promptcache
