#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "coordinator/lint/example.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct HelpFlags {
  std::string id;
  bool json = false;
};

const char* SeverityName(const PmlMessage& message) {
  return message.severity == Severity::kError ? "error" : "warning";
}

nlohmann::json MessageToJson(const PmlMessage& message) {
  return {{"id", PmlIdName(message.id)},
          {"severity", SeverityName(message)},
          {"text", message.text},
          {"explanation", message.explanation},
          {"example",
           {{"schema", message.example.schema},
            {"prompt", message.example.prompt},
            {"line", message.example.line},
            {"column", message.example.column}}}};
}

std::string Indented(std::string_view text) {
  std::string out = "  ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out + "\n";
}

void PrintMessage(const PmlMessage& message) {
  fmt::print("{} ({})\n\n  {}\n\n{}\n", PmlIdName(message.id), SeverityName(message), message.text,
             message.explanation);
  if (!message.example.schema.empty()) {
    fmt::print("\nFor example, this schema:\n\n{}", Indented(message.example.schema));
  }
  if (!message.example.prompt.empty()) {
    fmt::print("\n{} this prompt:\n\n{}", message.example.schema.empty() ? "For example," : "with",
               Indented(message.example.prompt));
  }
  const std::vector<Diagnostic> said = CompileExample(message);
  if (said.empty()) return;
  const Diagnostic& first = said[0];
  fmt::print("\nsays\n\n  {}:{}:{}: {}: {} [{}]\n    {}\n    {:{}}^\n", first.file,
             first.location.line, first.location.column, SeverityName(message), first.message,
             first.id, first.snippet, "", first.caret);
}

int ListMessages(const HelpFlags& flags) {
  if (flags.json) {
    nlohmann::json all = nlohmann::json::array();
    for (const PmlMessage& message : PmlMessages()) all.push_back(MessageToJson(message));
    PrintJson(all);
    return kExitOk;
  }
  Table table({{"id"}, {"kind"}, {"text"}});
  for (const PmlMessage& message : PmlMessages()) {
    table.AddRow({PmlIdName(message.id), SeverityName(message), std::string(message.text)});
  }
  fmt::print("{}`promptcache schema help ID` explains one.\n", table.Render());
  return kExitOk;
}

int RunHelp(const HelpFlags& flags) {
  if (flags.id.empty()) return ListMessages(flags);
  const PmlMessage* message = FindMessage(flags.id);
  if (message == nullptr) {
    return Fail(
        NotFound("there is no message '" + flags.id + "'; `promptcache schema help` lists all"));
  }
  if (flags.json) {
    PrintJson(MessageToJson(*message));
  } else {
    PrintMessage(*message);
  }
  return kExitOk;
}

}  // namespace

void AddSchemaHelp(CLI::App& schema, CommandContext& context) {
  auto flags = std::make_shared<HelpFlags>();
  CLI::App* command =
      schema.add_subcommand("help", "Explain a message about a document, or list all");
  command->add_option("id", flags->id, "The message's id, as PML0205");
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer("Example:\n  promptcache schema help PML0205");
  command->callback([&context, flags] { context.run = [flags] { return RunHelp(*flags); }; });
}

}  // namespace promptcache
