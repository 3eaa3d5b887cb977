#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/bench/pml_bench.h"
#include "tools/cli/engine_commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/front_end.h"

namespace promptcache {
namespace {

struct BenchPmlFlags {
  std::string model = PROMPTCACHE_DEFAULT_MODEL;
  std::string data;
  PmlBenchOptions bench;
  bool json = false;
};

Result<PmlReport> Measure(const CommandContext& context, const BenchPmlFlags& flags) {
  PersonaWorkload persona = MakePersona();
  if (!flags.data.empty()) {
    PC_ASSIGN_OR_RETURN(persona, ReadPersona(flags.data));
  }
  PC_ASSIGN_OR_RETURN(const FrontEnd front, LoadFrontEnd(context, {.model = flags.model}));
  return MeasurePml(persona, front.encoder(), flags.bench,
                    [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
}

int RunBenchPml(const CommandContext& context, const BenchPmlFlags& flags) {
  const Result<PmlReport> report = Measure(context, flags);
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", PmlToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderPml(*report));
  }
  return kExitOk;
}

void AddBenchPml(CLI::App& bench, CommandContext& context) {
  auto flags = std::make_shared<BenchPmlFlags>();
  CLI::App* command = bench.add_subcommand("pml", "Compiling schemas and prompts");
  command
      ->add_option("--model", flags->model,
                   "GGUF file or Hugging Face directory whose tokenizer is used")
      ->capture_default_str();
  command->add_option("--data", flags->data,
                      "Folder with a persona_long schema to measure (default: a generated one)");
  command
      ->add_option("--iterations", flags->bench.iterations,
                   "Measured runs of each large document; 40 times as many of the persona schema, "
                   "1000 times as many of its prompt")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--largest", flags->bench.largest_mib, "MiB of the largest document of text")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "The persona schema is laid out with the model's tokenizer. The prompt's time leaves out\n"
      "tokenizing its new text: its ids are computed before and looked up. All other documents\n"
      "are laid out with a tokenizer that takes no time.\n\n"
      "Example:\n"
      "  promptcache bench pml --model model.gguf --json");
  command->callback([&context, flags] {
    context.run = [&context, flags] { return RunBenchPml(context, *flags); };
  });
}

}  // namespace

void AddBenchCommand(CLI::App& app, CommandContext& context) {
  CLI::App* bench = app.add_subcommand("bench", "Measure this machine");
  bench->require_subcommand(1);
  bench->footer(
      "Examples:\n"
      "  promptcache bench ttft --model model.gguf --json\n"
      "  promptcache bench fidelity --model model.gguf --data multi_news.jsonl\n"
      "  promptcache bench serve --engine model --model model.gguf\n"
      "  promptcache bench tenants --model model.gguf");
  AddBenchPml(*bench, context);
  AddBenchTokenizerCommand(*bench, context);
  AddBenchServeCommand(*bench, context);
  AddBenchStoreCommand(*bench, context);
  AddEngineCommand(
      *bench, context,
      {"bench fidelity", "fidelity", "How far reuse is from full prefill, by encoding and repair"});
  AddEngineCommand(*bench, context,
                   {"bench loadpath", "loadpath",
                    "Units loaded, encoded and as chosen; first token after the loss of a worker"});
  AddEngineCommand(*bench, context,
                   {"bench tenants", "tenants",
                    "Whether a tenant can find out, by time, what another one has imported"});
  AddEngineCommand(*bench, context,
                   {"bench ttft", "ttft", "Time to first token of the same work done five ways"});
}

}  // namespace promptcache
