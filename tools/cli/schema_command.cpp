#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/render.h"

namespace promptcache {
namespace {

struct SchemaFlags {
  std::vector<std::string> files;
  std::string name;
  uint32_t max_tokens = 0;
  bool json = false;
};

int PrintSchemas(const std::vector<SchemaInfo>& schemas, const SchemaFlags& flags) {
  if (flags.json) {
    fmt::print("{}\n", SchemasToJson(schemas).dump(2));
  } else {
    fmt::print("{}", RenderSchemas(schemas));
  }
  return kExitOk;
}

int RunAdd(const CommandContext& context, const SchemaFlags& flags) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  std::vector<SchemaInfo> added;
  for (const std::string& file : flags.files) {
    Result<std::string> document = ReadInput(file);
    if (!document.ok()) return Fail(document.status());
    auto info = (*client)->AddSchema(
        {.file = file, .document = *std::move(document), .max_tokens = flags.max_tokens});
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

int RunShow(const CommandContext& context, const SchemaFlags& flags) {
  if (flags.name.empty()) return Fail(InvalidArgument("the name of the schema is empty"));
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  auto schemas = (*client)->ListSchemas(flags.name);
  if (!schemas.ok()) return Fail(schemas.status());
  if (flags.json) return PrintSchemas(*schemas, flags);
  for (const SchemaInfo& schema : *schemas) {
    if (!schema.current && schemas->size() > 1) continue;
    fmt::print("{}\n{}\n", RenderSchemas({schema}), schema.document);
  }
  return kExitOk;
}

int RunRemove(const CommandContext& context, const SchemaFlags& flags) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  const Status status = (*client)->RemoveSchema(flags.name);
  if (!status.ok()) return Fail(status);
  if (flags.json) {
    fmt::print("{}\n", nlohmann::json{{"removed", flags.name}}.dump(2));
  } else {
    fmt::print("removed {}\n", flags.name);
  }
  return kExitOk;
}

}  // namespace

void AddSchemaCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<SchemaFlags>();
  CLI::App* command = app.add_subcommand("schema", "Register, list, show and remove schemas");
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
  add_command->add_option("--max-tokens", flags->max_tokens,
                          "Keep head and tail of text runs longer than this; 0: whole runs");
  add_command->footer("Example:\n  promptcache schema add support-desk.xml travel.xml");
  add("ls", "List registered schemas", RunList);
  add("show", "Print a schema and its versions", RunShow)
      ->add_option("name", flags->name, "Schema name")
      ->required();
  add("rm", "Remove a schema", RunRemove)
      ->add_option("name", flags->name, "NAME for all versions, or NAME@VERSION")
      ->required();
}

}  // namespace promptcache
