#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "coordinator/lint/lint.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/stages.h"

namespace promptcache {
namespace {

struct LintFlags {
  std::vector<std::string> files;
  std::string src_root;
  FrontEndFlags front;
  uint32_t max_tokens = 0;
  bool strict = false;
  bool json = false;
};

// The worst of what was said about all files.
struct Verdict {
  bool errors = false;
  bool warnings = false;
  nlohmann::json files = nlohmann::json::array();
};

Status LintFile(const std::string& file, const LintFlags& flags, const FrontEnd& front,
                const PmlLimits& limits, Verdict& verdict) {
  PC_ASSIGN_OR_RETURN(const auto schema,
                      OfflineSchema::Read({.file = file, .src_root = flags.src_root}, limits));
  schema->LayOut(front, flags.max_tokens);
  Diagnostics& diagnostics = schema->diagnostics();
  if (schema->ok()) {
    Lint(schema->document(), schema->layout(), {.context_length = front.context_length},
         diagnostics);
  }
  verdict.errors = verdict.errors || !diagnostics.ok();
  verdict.warnings = verdict.warnings || !diagnostics.warnings().empty();
  if (flags.json) {
    nlohmann::json said = DiagnosticsToJson(diagnostics);
    said["file"] = file;
    verdict.files.push_back(std::move(said));
  } else if (const std::string text = diagnostics.Render(); !text.empty()) {
    fmt::print("{}\n", text);
  } else {
    fmt::print("{}: nothing to say\n", file);
  }
  return {};
}

int RunLint(const CommandContext& context, const LintFlags& flags) {
  const auto settings = SettingsOf(context);
  if (!settings.ok()) return Fail(settings.status());
  const auto front = LoadFrontEnd(context, flags.front);
  if (!front.ok()) return Fail(front.status());
  Verdict verdict;
  for (const std::string& file : flags.files) {
    const Status status =
        LintFile(file, flags, *front, SchemaLimitsOf(settings->coordinator), verdict);
    if (!status.ok()) return Fail(status);
  }
  if (flags.json) PrintJson(verdict.files);
  if (verdict.errors) return ExitCodeFor(InvalidArgument(""));
  return flags.strict && verdict.warnings ? kExitCheckFailed : kExitOk;
}

}  // namespace

void AddSchemaLint(CLI::App& schema, CommandContext& context) {
  auto flags = std::make_shared<LintFlags>();
  CLI::App* command = schema.add_subcommand(
      "lint", "Say what is wrong with schema files, and what is allowed but probably not meant");
  command->add_option("file", flags->files, "PML schema files, - for standard input")->required();
  command->add_option("--src-root", flags->src_root,
                      "Folder of the files that src names (default: the schema's)");
  flags->front.AddTo(*command);
  command->add_option("--max-tokens", flags->max_tokens, "Truncate longer text runs; 0: do not");
  command->add_flag("--strict", flags->strict, "Exit with 1 when there are warnings");
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Sizes are counted with a model's tokenizer. Ends with 3 when a file has errors.\n"
      "Example:\n  promptcache schema lint --model model.gguf --strict support-desk.xml");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunLint(context, *flags); }; });
}

}  // namespace promptcache
