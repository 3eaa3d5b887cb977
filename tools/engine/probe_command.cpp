#include "tools/engine/probe_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/store/probe_file.h"
#include "tools/engine/embedded.h"
#include "tools/engine/engine_flags.h"

namespace promptcache {
namespace {

struct MakeFlags {
  EmbeddedOptions system;
  std::string schema_file;
  std::string prompt_file;
  uint32_t tokens = 16;
};

struct CheckFlags {
  EmbeddedOptions system;
  std::string file;
  bool json = false;
};

// Registers the probe's schema and asks its prompt, greedily.
Result<Answer> AskProbe(Client& client, const PackProbe& probe, uint32_t tokens) {
  PC_RETURN_IF_ERROR(client
                         .AddSchema({.file = probe.schema.path,
                                     .document = probe.schema.text,
                                     .max_tokens = probe.max_tokens,
                                     .sources = probe.sources})
                         .status());
  Submit submit{.prompt = probe.prompt};
  submit.options.max_new_tokens = tokens;
  Answer answer = client.Submit(submit);
  PC_RETURN_IF_ERROR(answer.status);
  return answer;
}

Result<PackProbe> Make(const MakeFlags& flags) {
  PC_ASSIGN_OR_RETURN(const SchemaAdd add, ReadSchemaAdd({.file = flags.schema_file}));
  PC_ASSIGN_OR_RETURN(std::string prompt, ReadInput(flags.prompt_file));
  PC_ASSIGN_OR_RETURN(const auto system, EmbeddedSystem::Start(flags.system));
  PackProbe probe{.model = flags.system.model,
                  .identity = system->identity(),
                  .schema = {.path = add.file, .text = add.document},
                  .sources = add.sources,
                  .max_tokens = add.max_tokens,
                  .prompt = std::move(prompt)};
  PC_ASSIGN_OR_RETURN(const Answer answer, AskProbe(system->client(), probe, flags.tokens));
  probe.expected = answer.tokens();
  return probe;
}

int RunMake(const MakeFlags& flags) {
  const Result<PackProbe> probe = Make(flags);
  if (!probe.ok()) return Fail(probe.status());
  fmt::print("{}\n", ProbeText(*probe));
  return kExitOk;
}

struct Checked {
  std::vector<TokenId> expected;
  Answer answer;
  bool passed() const { return answer.tokens() == expected; }
};

Result<Checked> Check(const CheckFlags& flags) {
  PC_ASSIGN_OR_RETURN(const PackProbe probe, ReadProbeFile(flags.file));
  PC_ASSIGN_OR_RETURN(const auto system, EmbeddedSystem::Start(flags.system));
  if (const auto difference = probe.identity.FirstDifference(system->identity())) {
    return FailedPrecondition("the probe proves nothing here, its answer is of another identity: " +
                              *difference);
  }
  const auto tokens = static_cast<uint32_t>(probe.expected.size());
  PC_ASSIGN_OR_RETURN(Answer answer, AskProbe(system->client(), probe, tokens));
  return Checked{.expected = probe.expected, .answer = std::move(answer)};
}

int RunCheck(const CheckFlags& flags) {
  const Result<Checked> checked = Check(flags);
  if (!checked.ok()) return Fail(checked.status());
  const Usage& usage = checked->answer.usage;
  const bool passed = checked->passed();
  if (flags.json) {
    fmt::print("{}\n", nlohmann::json{{"passed", passed},
                                      {"expected", checked->expected},
                                      {"tokens", checked->answer.tokens()},
                                      {"reused_tokens", usage.reused_tokens},
                                      {"encoded_tokens", usage.encoded_tokens}}
                           .dump(2));
  } else {
    fmt::print("probe {}: {} tokens, {} of the prompt from the store, {} run to encode units\n",
               passed ? "passed" : "FAILED", checked->expected.size(), usage.reused_tokens,
               usage.encoded_tokens);
    if (!passed) {
      fmt::print("expected {}\ngot      {}\n", fmt::join(checked->expected, " "),
                 fmt::join(checked->answer.tokens(), " "));
    }
  }
  return passed ? kExitOk : kExitCheckFailed;
}

void AddMake(CLI::App& parent, std::function<int()>& run) {
  auto flags = std::make_shared<MakeFlags>();
  CLI::App* command =
      parent.add_subcommand("make", "Ask, and print the question with its answer as a probe");
  AddEngineFlags(*command, flags->system);
  command->add_option("--schema", flags->schema_file, "PML schema file")->required();
  command->add_option("--prompt", flags->prompt_file, "PML prompt file")->required();
  command->add_option("--tokens", flags->tokens, "Greedy tokens of the answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--store", flags->system.store_directory,
                      "Units from and to this directory (default: in memory)");
  command->callback([flags, &run] { run = [flags] { return RunMake(*flags); }; });
}

void AddCheck(CLI::App& parent, std::function<int()>& run) {
  auto flags = std::make_shared<CheckFlags>();
  CLI::App* command = parent.add_subcommand("check", "Ask a probe's question of a store");
  AddEngineFlags(*command, flags->system);
  command->add_option("file", flags->file, "The probe, - for standard input")->required();
  command->add_option("--store", flags->system.store_directory, "The store's directory")
      ->required();
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([flags, &run] { run = [flags] { return RunCheck(*flags); }; });
}

}  // namespace

void AddProbeCommand(CLI::App& app, std::function<int()>& run) {
  CLI::App* command = app.add_subcommand(
      "probe", "A question with its answer, to see that stored units do what they did");
  command->require_subcommand(1);
  command->footer(
      "`check` ends with 1 when the answer is another one, 6 when the model is.\n"
      "Examples:\n"
      "  promptcache probe make --schema desk.xml --prompt ask.xml > probe.json\n"
      "  promptcache store export desk.pcpk --schema desk --probe probe.json --sign release.key\n"
      "  promptcache store import desk.pcpk --trust release.key.pub --directory store --probe");
  AddMake(*command, run);
  AddCheck(*command, run);
}

}  // namespace promptcache
