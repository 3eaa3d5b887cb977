// The subcommands of `promptcache schema` that work on documents. Internal to tools/cli.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "coordinator/pml/diagnostics.h"
#include "tools/cli/commands.h"

namespace promptcache {

enum class Output : uint8_t { kText, kJson };
inline Output OutputOf(bool json) { return json ? Output::kJson : Output::kText; }

// Prints a line of JSON text; bytes that are not UTF-8 as U+FFFD.
void PrintJson(const nlohmann::json& json);

// Prints what is wrong with a document, as text to standard error or as JSON to standard output,
// and returns the exit code of invalid input.
int FailWith(const Diagnostics& diagnostics, Output output);

void AddSchemaDiff(CLI::App& schema, CommandContext& context);
void AddSchemaFix(CLI::App& schema, CommandContext& context);
void AddSchemaHelp(CLI::App& schema, CommandContext& context);
void AddSchemaLint(CLI::App& schema, CommandContext& context);
void AddSchemaShow(CLI::App& schema, CommandContext& context);

}  // namespace promptcache
