#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/cli/answer_output.h"
#include "tools/cli/batch/batch_file.h"
#include "tools/cli/batch/batch_report.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/generation_flags.h"
#include "tools/cli/offline_schema.h"

namespace promptcache {
namespace {

constexpr int kBatchAttempts = 3;
constexpr std::chrono::milliseconds kBatchPause{1'000};

struct SubmitFlags {
  std::string schema_file;
  std::string prompt_file = "-";
  std::string batch_file;
  std::string trace;
  GenerationFlags generation;
  AnswerOutput output;
};

Status RegisterSchema(Client& client, const std::string& file) {
  PC_ASSIGN_OR_RETURN(const SchemaAdd add, ReadSchemaAdd({.file = file}));
  return client.AddSchema(add).status();
}

// Repeating it under one id is safe: a link may be lost before the answer comes.
Result<BatchInfo> Add(Client& client, const BatchAdd& batch) {
  const RequestId id = RequestId::Random();
  Result<BatchInfo> added = client.AddBatch(id, batch);
  for (int i = 1; i < kBatchAttempts && added.status().code() == Code::kUnavailable; ++i) {
    std::this_thread::sleep_for(kBatchPause);
    added = client.AddBatch(id, batch);
  }
  return added;
}

int RunSubmitBatch(Client& client, const SubmitFlags& flags) {
  const Result<std::string> text = ReadInput(flags.batch_file);
  if (!text.ok()) return Fail(text.status());
  const auto timeout = flags.generation.ToOptions().deadline;
  const Result<BatchAdd> batch =
      ParseBatchFile(flags.batch_file, *text,
                     {.submit = flags.generation.ToSubmit(""),
                      .timeout_ms = static_cast<uint64_t>(timeout.count())});
  if (!batch.ok()) return Fail(batch.status());
  const Result<BatchInfo> added = Add(client, *batch);
  if (!added.ok()) return Fail(added.status());
  if (flags.output.json) {
    fmt::print("{}\n", BatchToJson(*added).dump(2));
  } else {
    fmt::print("{}\n", added->id.ToHex());
  }
  return kExitOk;
}

int RunSubmit(const CommandContext& context, const SubmitFlags& flags) {
  auto client = ConnectClient(context);
  if (!client.ok()) return Fail(client.status());
  if (!flags.schema_file.empty()) {
    if (Status status = RegisterSchema(**client, flags.schema_file); !status.ok()) {
      return Fail(status);
    }
  }
  if (!flags.batch_file.empty()) return RunSubmitBatch(**client, flags);
  Result<std::string> prompt = ReadInput(flags.prompt_file);
  if (!prompt.ok()) return Fail(prompt.status());

  SubmitOptions options = flags.generation.ToOptions();
  options.trace = flags.trace;
  return flags.output.Finish((*client)->Submit(flags.generation.ToSubmit(*std::move(prompt)),
                                               options,
                                               flags.output.Stream(flags.generation.options)));
}

}  // namespace

void AddSubmitCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<SubmitFlags>();
  CLI::App* command = app.add_subcommand("submit", "Send a prompt and stream the answer");
  command->add_option("--schema", flags->schema_file, "Register this schema file first");
  CLI::Option* prompt =
      command->add_option("--prompt", flags->prompt_file, "PML prompt file, - for standard input")
          ->capture_default_str();
  CLI::Option* trace = command->add_option(
      "--trace", flags->trace,
      "W3C traceparent that goes with every message about the request; without it one is made, "
      "whose trace id is the request's id");
  command
      ->add_option("--batch", flags->batch_file,
                   "Instead of a prompt: a file of prompts, one JSON object a line. They are kept "
                   "and run when there is room; prints the batch's id")
      ->excludes(prompt)
      ->excludes(trace);
  command->add_option("--model", flags->generation.model,
                      "Refuse the request unless this model is served");
  flags->generation.AddTo(*command);
  flags->generation.AddPriorityTo(*command);
  flags->output.AddTo(*command);
  command->footer(
      "Examples:\n"
      "  promptcache submit --prompt question.xml\n"
      "  promptcache submit --schema support-desk.xml --prompt question.xml --json\n"
      "  echo '<prompt schema=\"support-desk\"><refunds/><user>May I?</user></prompt>' |"
      " promptcache submit\n"
      "  promptcache submit --prompt question.xml --samples 4 --temperature 0.8 --logprobs 3\n"
      "  promptcache submit --prompt question.xml "
      "--trace 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n"
      "  promptcache submit --batch questions.jsonl --max-new-tokens 64\n"
      "The answer goes to standard output, the table of units to standard error.\n"
      "A line of a batch has a prompt, and may have name (or id), model, max_new_tokens (or\n"
      "max_tokens), temperature, top_p, top_k, repetition_penalty, seed, stop, samples, no_cache,\n"
      "contiguous, repair, linked_tokens,\n"
      "priority (of the items in the coordinator's memory, higher ones run first) and deadline\n"
      "(seconds from when it runs); the options above are for lines that do not say.\n"
      "  {\"name\": \"q1\", \"prompt\": \"<prompt "
      "schema=\\\"support-desk\\\"><refunds/>When?</prompt>\"}\n"
      "`promptcache batch` shows how far it is and fetches the results.");
  command->callback([&context, flags] {
    context.run = [&context, flags] { return RunSubmit(context, *flags); };
  });
}

}  // namespace promptcache
