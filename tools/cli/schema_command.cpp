#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/render.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/stages.h"

namespace promptcache {
namespace {

struct SchemaFlags {
  std::vector<std::string> files;
  std::string src_root;
  std::string name;
  uint32_t max_tokens = 0;
  bool share = false;
  bool json = false;
};

int PrintSchemas(const std::vector<SchemaInfo>& schemas, const SchemaFlags& flags) {
  if (flags.json) {
    PrintJson(SchemasToJson(schemas));
  } else {
    fmt::print("{}", RenderSchemas(schemas));
  }
  return kExitOk;
}

int RunAdd(const CommandContext& context, const SchemaFlags& flags) {
  const auto settings = SettingsOf(context);
  if (!settings.ok()) return Fail(settings.status());
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  std::vector<SchemaInfo> added;
  for (const std::string& file : flags.files) {
    const auto schema = OfflineSchema::Read({.file = file, .src_root = flags.src_root},
                                            SchemaLimitsOf(settings->coordinator));
    if (!schema.ok()) return Fail(schema.status());
    if (!(*schema)->ok()) return FailWith((*schema)->diagnostics(), OutputOf(flags.json));
    SchemaAdd add = (*schema)->ToAdd(flags.max_tokens);
    add.shared = flags.share;
    auto info = (*client)->AddSchema(add);
    if (!info.ok()) return Fail(info.status());
    added.push_back(*std::move(info));
  }
  return PrintSchemas(added, flags);
}

int RunList(const CommandContext& context, const SchemaFlags& flags) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  auto schemas = (*client)->ListSchemas();
  return schemas.ok() ? PrintSchemas(*schemas, flags) : Fail(schemas.status());
}

int RunRemove(const CommandContext& context, const SchemaFlags& flags) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  const Status status = (*client)->RemoveSchema(flags.name);
  if (!status.ok()) return Fail(status);
  if (flags.json) {
    PrintJson(nlohmann::json{{"removed", flags.name}});
  } else {
    fmt::print("removed {}\n", flags.name);
  }
  return kExitOk;
}

}  // namespace

void PrintJson(const nlohmann::json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

int FailWith(const Diagnostics& diagnostics, Output output) {
  if (output == Output::kJson) {
    PrintJson(DiagnosticsToJson(diagnostics));
  } else {
    fmt::print(stderr, "{}\n", diagnostics.Render());
  }
  return ExitCodeFor(InvalidArgument(""));
}

void AddSchemaCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<SchemaFlags>();
  CLI::App* command =
      app.add_subcommand("schema", "Register, check, compare, show and remove schemas");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* sub = command->add_subcommand(name, help);
    sub->add_flag("--json", flags->json, "Print JSON");
    sub->callback([&context, flags, run] {
      context.run = [&context, flags, run] { return run(context, *flags); };
    });
    return sub;
  };
  CLI::App* add_command = add("add", "Register schema files", RunAdd);
  add_command->add_option("file", flags->files, "PML schema files, - for standard input")
      ->required();
  add_command->add_option("--src-root", flags->src_root,
                          "Folder of the files that src names (default: the schema's); links that "
                          "leave it are refused");
  add_command->add_option("--max-tokens", flags->max_tokens,
                          "Keep head and tail of text runs longer than this; 0: whole runs");
  add_command->add_flag("--share", flags->share,
                        "Every tenant may import it, and its units are everybody's");
  add_command->footer("Example:\n  promptcache schema add support-desk.xml travel.xml");
  add("ls", "List registered schemas", RunList);
  add("rm", "Remove a schema", RunRemove)
      ->add_option("name", flags->name,
                   "NAME for all versions, or NAME@VERSION; an operator names TENANT/NAME")
      ->required();
  AddSchemaShow(*command, context);
  AddSchemaLint(*command, context);
  AddSchemaFix(*command, context);
  AddSchemaDiff(*command, context);
  AddSchemaHelp(*command, context);
}

}  // namespace promptcache
