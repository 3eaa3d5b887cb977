#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "coordinator/pml/fix.h"
#include "coordinator/pml/prompt.h"
#include "coordinator/pml/scanner.h"
#include "coordinator/pml/schema.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/replace_file.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/stages.h"

namespace promptcache {
namespace {

struct FixFlags {
  std::string file;
  std::string output = "-";
  bool write = false;
  bool json = false;
};

// Schemas and prompts are told apart by their root.
bool IsPrompt(const PmlSource& source) {
  Diagnostics unread(source);
  for (const Piece& piece : ScanDocument(source, {}, unread).pieces) {
    if (piece.kind != PieceKind::kOpenTag && piece.kind != PieceKind::kEmptyTag) continue;
    return source.text().substr(piece.begin).starts_with("<prompt");
  }
  return false;
}

void Check(const PmlSource& source, const Settings& settings, Diagnostics& diagnostics) {
  if (IsPrompt(source)) {
    (void)ParsePrompt(source, PromptLimitsOf(settings.coordinator), diagnostics);
  } else {
    (void)ParseSchema(source, SchemaLimitsOf(settings.coordinator), diagnostics);
  }
}

nlohmann::json FixesToJson(const PmlSource& source, const FixedPml& fixed) {
  nlohmann::json fixes = nlohmann::json::array();
  for (const PmlFix& fix : fixed.fixes) {
    const Location at = source.At(fix.offset);
    fixes.push_back({{"line", at.line},
                     {"column", at.column},
                     {"old", std::string(1, fix.character)},
                     {"new", fix.character == '<' ? "&lt;" : "&amp;"}});
  }
  return fixes;
}

// Line by line, old and new, as a diff shows them.
std::string RenderFixes(const PmlSource& source, const PmlSource& fixed, const FixedPml& result) {
  std::string out;
  uint32_t shown = 0;
  for (const PmlFix& fix : result.fixes) {
    const Location at = source.At(fix.offset);
    if (at.line == shown) continue;
    shown = at.line;
    out += fmt::format("{}:{}:{}\n-{}\n+{}\n", source.file(), at.line, at.column,
                       source.Line(at.line), fixed.Line(at.line));
  }
  return out;
}

Status Save(const FixFlags& flags, const std::string& text) {
  if (flags.write) return ReplaceFile(flags.file, text);
  if (flags.output != "-") return ReplaceFile(flags.output, text);
  if (!flags.json) fmt::print("{}", text);
  return {};
}

int RunFix(const CommandContext& context, const FixFlags& flags) {
  const auto settings = SettingsOf(context);
  if (!settings.ok()) return Fail(settings.status());
  if (flags.write && flags.file == "-") {
    return Fail(InvalidArgument("standard input cannot be written back; leave out --write"));
  }
  Result<std::string> text = ReadInput(flags.file);
  if (!text.ok()) return Fail(text.status());
  const PmlSource source(flags.file, *std::move(text));
  const FixedPml result = FixBareCharacters(source);
  const PmlSource fixed(flags.file, result.text);
  Diagnostics diagnostics(fixed);
  Check(fixed, *settings, diagnostics);
  if (!diagnostics.ok()) return FailWith(diagnostics, OutputOf(flags.json));
  if (const Status saved = Save(flags, result.text); !saved.ok()) return Fail(saved);
  if (flags.json) {
    PrintJson(nlohmann::json{
        {"file", flags.file}, {"fixes", FixesToJson(source, result)}, {"text", result.text}});
  } else {
    fmt::print(stderr, "{}{} characters changed\n", RenderFixes(source, fixed, result),
               result.fixes.size());
  }
  return kExitOk;
}

}  // namespace

void AddSchemaFix(CLI::App& schema, CommandContext& context) {
  auto flags = std::make_shared<FixFlags>();
  CLI::App* command =
      schema.add_subcommand("fix", "Write bare '<' and '&' in text as &lt; and &amp;");
  command->add_option("file", flags->file, "PML schema or prompt, - for standard input")
      ->required();
  CLI::Option* write = command->add_flag("--write", flags->write, "Replace the file");
  command->add_option("-o,--output", flags->output, "Where the result goes, - for standard output")
      ->capture_default_str()
      ->excludes(write);
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "What was changed goes to standard error. A document that still has errors is not written\n"
      "(exit code 3).\n"
      "Example:\n  promptcache schema fix --write game.xml");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunFix(context, *flags); }; });
}

}  // namespace promptcache
