#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "coordinator/pml/scanner.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/render.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/stages.h"

namespace promptcache {
namespace {

struct ShowFlags {
  std::string name;
  std::string stage;
  std::string src_root;
  FrontEndFlags front;
  uint32_t max_tokens = 0;
  bool json = false;
};

// Makes only what is printed.
template <typename Json, typename Text>
void Print(const ShowFlags& flags, const Json& json, const Text& text) {
  if (flags.json) return PrintJson(json());
  fmt::print("{}", text());
}

// As registered: the versions with their documents.
int ShowRegistered(const std::vector<SchemaInfo>& schemas, const ShowFlags& flags) {
  if (flags.json) {
    PrintJson(SchemasToJson(schemas));
    return kExitOk;
  }
  for (const SchemaInfo& schema : schemas) {
    if (!schema.current && schemas.size() > 1) continue;
    fmt::print("{}\n{}\n", RenderSchemas({schema}), schema.document);
    for (const SourceFile& file : schema.sources) fmt::print("\n{}:\n{}\n", file.path, file.text);
  }
  return kExitOk;
}

// A list, printed unit by unit: the contexts of a large schema's units do not fit into memory.
void PrintUnits(const Layout& layout, const Tokenizer& tokenizer, Output output) {
  if (output == Output::kText) {
    fmt::print("{}", RenderUnits(layout));
    return;
  }
  fmt::print("[\n");
  for (size_t i = 0; i < layout.units.size() && std::ferror(stdout) == 0; ++i) {
    if (i > 0) fmt::print(",\n");
    PrintJson(UnitToJson(layout, layout.units[i], tokenizer));
  }
  fmt::print("]\n");
}

int ShowPieces(OfflineSchema& schema, const PmlLimits& limits, const ShowFlags& flags) {
  Diagnostics diagnostics(schema.source());
  const ScannedDocument scanned = ScanDocument(schema.source(), limits, diagnostics);
  if (!diagnostics.ok()) return FailWith(diagnostics, OutputOf(flags.json));
  Print(
      flags, [&] { return PiecesToJson(schema.source(), scanned.pieces); },
      [&] { return RenderPieces(schema.source(), scanned.pieces); });
  return kExitOk;
}

int ShowStage(const CommandContext& context, OfflineSchema& schema, const PmlLimits& limits,
              const ShowFlags& flags) {
  if (flags.stage == "source") {
    Print(
        flags,
        [&] {
          return nlohmann::json{{"file", schema.source().file()}, {"text", schema.source().text()}};
        },
        [&] { return schema.source().text(); });
    return kExitOk;
  }
  if (flags.stage == "markers") return ShowPieces(schema, limits, flags);
  if (!schema.ok()) return FailWith(schema.diagnostics(), OutputOf(flags.json));
  if (flags.stage == "tree") {
    Print(
        flags, [&] { return TreeToJson(schema.document()); },
        [&] { return RenderTree(schema.document()); });
    return kExitOk;
  }
  const auto front = LoadFrontEnd(context, flags.front);
  if (!front.ok()) return Fail(front.status());
  schema.LayOut(*front, flags.max_tokens);
  if (!schema.ok()) return FailWith(schema.diagnostics(), OutputOf(flags.json));
  if (flags.stage == "layout") {
    Print(
        flags, [&] { return LayoutToJson(schema.layout(), *front->tokenizer); },
        [&] { return RenderLayout(schema.layout()); });
  } else {
    PrintUnits(schema.layout(), *front->tokenizer, OutputOf(flags.json));
  }
  return kExitOk;
}

bool IsFile(const std::string& name) {
  std::error_code ignored;
  return name == "-" || std::filesystem::is_regular_file(name, ignored);
}

int RunShow(const CommandContext& context, const ShowFlags& flags) {
  if (flags.name.empty()) return Fail(InvalidArgument("the name of the schema is empty"));
  const auto settings = SettingsOf(context);
  if (!settings.ok()) return Fail(settings.status());
  const PmlLimits limits = SchemaLimitsOf(settings->coordinator);
  ShowFlags staged = flags;
  if (IsFile(flags.name)) {
    if (staged.stage.empty()) staged.stage = "tree";
    auto schema = OfflineSchema::Read({.file = flags.name, .src_root = flags.src_root}, limits);
    if (!schema.ok()) return Fail(schema.status());
    return ShowStage(context, **schema, limits, staged);
  }
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  auto schemas = (*client)->ListSchemas(flags.name);
  if (!schemas.ok()) return Fail(schemas.status());
  if (flags.stage.empty()) return ShowRegistered(*schemas, flags);
  const auto schema = OfflineSchema::Of(schemas->back(), limits);
  return ShowStage(context, *schema, limits, flags);
}

}  // namespace

void AddSchemaShow(CLI::App& schema, CommandContext& context) {
  auto flags = std::make_shared<ShowFlags>();
  CLI::App* command =
      schema.add_subcommand("show", "Print a schema, or what a stage of the compiler makes of it");
  command->add_option("name", flags->name, "A file, - for standard input, or a registered name")
      ->required();
  command
      ->add_option("--stage", flags->stage,
                   "source, markers, tree, layout or units (default: a file's tree; a registered "
                   "schema's versions and document)")
      ->check(CLI::IsMember({"source", "markers", "tree", "layout", "units"}));
  command->add_option("--src-root", flags->src_root,
                      "Folder of the files that src names (default: the schema's)");
  flags->front.AddTo(*command);
  command->add_option("--max-tokens", flags->max_tokens, "Truncate longer text runs; 0: do not");
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "layout and units need a tokenizer: --model or --tokenizer.\n"
      "Example:\n  promptcache schema show support-desk.xml --stage units --tokenizer toy");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunShow(context, *flags); }; });
}

}  // namespace promptcache
