// The subcommands of `promptcache`. Each Add… function declares one with its options and examples
// and sets `run` when the user chose it; main() calls it after parsing.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cluster/client/client.h"
#include "common/config.h"
#include "common/status.h"

namespace promptcache {

struct CommandContext {
  std::filesystem::path bin_directory;  // where the other executables lie
  std::string config_file;
  std::vector<std::string> endpoints;  // of coordinators; empty: from the configuration
  std::function<int()> run;
};

// Prints "promptcache: error: ..." to standard error and returns the exit code.
int Fail(const Status& status);

Result<Settings> SettingsOf(const CommandContext& context);
Result<std::unique_ptr<Client>> ConnectClient(const CommandContext& context);

// The file's bytes, or standard input for "-". At most 64 MiB.
Result<std::string> ReadInput(const std::string& path);

// `promptcache run`, `precompute`, `probe`, `model logits` and what `bench` measures with a model:
// replaces this process by promptcache-engine, which has options of its own. nullopt for any other
// command; else the exit code of not being able to.
std::optional<int> RunEngineCommand(const CommandContext& context, std::span<char*> arguments);

void AddBatchCommand(CLI::App& app, CommandContext& context);
void AddBenchCommand(CLI::App& app, CommandContext& context);
// Of `promptcache bench`.
void AddBenchServeCommand(CLI::App& bench, CommandContext& context);
void AddBenchStoreCommand(CLI::App& bench, CommandContext& context);
void AddBenchTokenizerCommand(CLI::App& bench, CommandContext& context);
void AddConfigCommand(CLI::App& app, CommandContext& context);
void AddDemoCommand(CLI::App& app, CommandContext& context);
void AddDownCommand(CLI::App& app, CommandContext& context);
void AddDrainCommand(CLI::App& app, CommandContext& context);
void AddExplainCommand(CLI::App& app, CommandContext& context);
void AddKeygenCommand(CLI::App& app, CommandContext& context);
void AddKeysCommand(CLI::App& app, CommandContext& context);
void AddModelCommand(CLI::App& app, CommandContext& context);
void AddPlanCommand(CLI::App& app, CommandContext& context);
void AddPrecomputeCommand(CLI::App& app, CommandContext& context);
void AddRunCommand(CLI::App& app, CommandContext& context);  // and probe
void AddSchemaCommand(CLI::App& app, CommandContext& context);
void AddSimulateCommand(CLI::App& app, CommandContext& context);
void AddStatusCommand(CLI::App& app, CommandContext& context);
void AddStoreCommand(CLI::App& app, CommandContext& context);
void AddSubmitCommand(CLI::App& app, CommandContext& context);
void AddTopCommand(CLI::App& app, CommandContext& context);
void AddTraceCommand(CLI::App& app, CommandContext& context);
void AddUpCommand(CLI::App& app, CommandContext& context);

}  // namespace promptcache
