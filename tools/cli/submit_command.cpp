#include <memory>

#include "tools/cli/answer_output.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/generation_flags.h"
#include "tools/cli/offline_schema.h"

namespace promptcache {
namespace {

struct SubmitFlags {
  std::string schema_file;
  std::string prompt_file = "-";
  GenerationFlags generation;
  AnswerOutput output;
};

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

  return flags.output.Finish((*client)->Submit(flags.generation.ToSubmit(*std::move(prompt)),
                                               flags.generation.ToOptions(),
                                               flags.output.Stream(flags.generation.options)));
}

}  // namespace

void AddSubmitCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<SubmitFlags>();
  CLI::App* command = app.add_subcommand("submit", "Send a prompt and stream the answer");
  command->add_option("--schema", flags->schema_file, "Register this schema file first");
  command->add_option("--prompt", flags->prompt_file, "PML prompt file, - for standard input")
      ->capture_default_str();
  command->add_option("--model", flags->generation.model,
                      "Refuse the request unless this model is served");
  flags->generation.AddTo(*command);
  flags->output.AddTo(*command);
  command->footer(
      "Examples:\n"
      "  promptcache submit --prompt question.xml\n"
      "  promptcache submit --schema support-desk.xml --prompt question.xml --json\n"
      "  echo '<prompt schema=\"support-desk\"><refunds/><user>May I?</user></prompt>' |"
      " promptcache submit\n"
      "  promptcache submit --prompt question.xml --samples 4 --temperature 0.8 --logprobs 3\n"
      "The answer goes to standard output, the table of units to standard error.");
  command->callback([&context, flags] {
    context.run = [&context, flags] { return RunSubmit(context, *flags); };
  });
}

}  // namespace promptcache
