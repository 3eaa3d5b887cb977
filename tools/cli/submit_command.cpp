#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/generation_flags.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/render.h"

namespace promptcache {
namespace {

struct SubmitFlags {
  std::string schema_file;
  std::string prompt_file = "-";
  GenerationFlags generation;
  bool json = false;
  bool quiet = false;
};

nlohmann::json AnswerToJson(const Answer& answer) {
  return {{"request_id", answer.request_id.ToHex()},
          {"code", static_cast<int>(answer.status.code())},
          {"status", std::string(CodeName(answer.status.code()))},
          {"message", answer.status.message()},
          {"schema", answer.schema},
          {"version", answer.version},
          {"text", answer.text},
          {"tokens", answer.tokens},
          {"client_ttft_ms", answer.client_ttft_ms},
          {"client_total_ms", answer.client_total_ms},
          {"usage", UsageToJson(answer.usage)}};
}

Status RegisterSchema(Client& client, const std::string& file) {
  PC_ASSIGN_OR_RETURN(const SchemaAdd add, ReadSchemaAdd({.file = file}));
  return client.AddSchema(add).status();
}

int RunSubmit(const CommandContext& context, const SubmitFlags& flags) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  if (!flags.schema_file.empty()) {
    if (Status status = RegisterSchema(**client, flags.schema_file); !status.ok()) {
      return Fail(status);
    }
  }
  Result<std::string> prompt = ReadInput(flags.prompt_file);
  if (!prompt.ok()) return Fail(prompt.status());

  const bool stream = !flags.json;
  const Answer answer =
      (*client)->Submit(flags.generation.ToSubmit(*std::move(prompt)), flags.generation.ToOptions(),
                        [stream](const Partial& partial) {
                          if (!stream) return;
                          fmt::print("{}", partial.text);
                          std::fflush(stdout);
                        });
  if (flags.json) {
    fmt::print("{}\n",
               AnswerToJson(answer).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return ExitCodeFor(answer.status);
  }
  if (!answer.text.empty()) fmt::print("\n");
  if (!answer.status.ok()) return Fail(answer.status);
  if (!flags.quiet) fmt::print(stderr, "\n{}", RenderUsage(answer.usage));
  return kExitOk;
}

}  // namespace

void AddSubmitCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<SubmitFlags>();
  CLI::App* command = app.add_subcommand("submit", "Send a prompt and stream the answer");
  command->add_option("--schema", flags->schema_file, "Register this schema file first");
  command->add_option("--prompt", flags->prompt_file, "PML prompt file, - for standard input")
      ->capture_default_str();
  command->add_option("--model", flags->generation.model, "Model to use when several are served");
  flags->generation.AddTo(*command);
  command->add_flag("--json", flags->json, "Print one JSON object when the answer is complete");
  command->add_flag("--quiet", flags->quiet, "Print the answer only");
  command->footer(
      "Examples:\n"
      "  promptcache submit --prompt question.xml\n"
      "  promptcache submit --schema support-desk.xml --prompt question.xml --json\n"
      "  echo '<prompt schema=\"support-desk\"><refunds/><user>May I?</user></prompt>' |"
      " promptcache submit\n"
      "The answer goes to standard output, the table of units to standard error.");
  command->callback([&context, flags] {
    context.run = [&context, flags] { return RunSubmit(context, *flags); };
  });
}

}  // namespace promptcache
