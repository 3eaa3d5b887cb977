#include "tools/engine/fidelity_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/bench/fidelity.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

struct FidelityFlags {
  FidelityOptions bench;
  bool json = false;
};

// A bar on a terminal, else a line a step.
void ShowProgress(uint32_t done, uint32_t total) {
  constexpr uint32_t kWidth = 40;
  if (::isatty(STDERR_FILENO) == 0) {
    fmt::print(stderr, "{} of {} texts\n", done, total);
    return;
  }
  const uint32_t full = total == 0 ? kWidth : kWidth * done / total;
  fmt::print(stderr, "\r[{:#<{}}{:.<{}}] {} of {} texts{}", "", full, "", kWidth - full, done,
             total, done == total ? "\n" : "");
}

int RunFidelity(const FidelityFlags& flags) {
  const auto report = MeasureFidelity(flags.bench, ShowProgress);
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", FidelityToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderFidelity(*report));
  }
  return kExitOk;
}

}  // namespace

void AddFidelityCommand(CLI::App& bench, std::function<int()>& run) {
  auto flags = std::make_shared<FidelityFlags>();
  FidelityOptions& options = flags->bench;
  options.model = PROMPTCACHE_DEFAULT_MODEL;
  options.data = "../shared/data/longbench/multi_news.jsonl";
  CLI::App* command = bench.add_subcommand(
      "fidelity", "How far reuse is from full prefill, by encoding and repair");
  command->add_option("--model", options.model, "GGUF file or Hugging Face directory of the model")
      ->capture_default_str();
  command->add_option("--data", options.data, "LongBench file whose texts are cut into modules")
      ->capture_default_str();
  command->add_option("--dtype", options.dtype, "auto, fp32 or bf16")->capture_default_str();
  command->add_option("--threads", options.threads, "CPU threads; 0: one per core")
      ->capture_default_str();
  command->add_option("--modules", options.modules, "Numbers of modules")
      ->delimiter(',')
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--tokens", options.tokens, "Tokens of each module")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--k", options.linked, "Tokens that repair linked computes; 0: none")
      ->delimiter(',')
      ->check(CLI::Range(0U, kMaxLinkedTokens))
      ->capture_default_str();
  command
      ->add_option("--compression", options.compression,
                   "int8: measure units that are stored so as well, and what that alone changes")
      ->capture_default_str();
  command->add_option("--samples", options.samples, "Texts of each size")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--new", options.new_tokens, "Tokens behind the modules")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command
      ->add_option("--positions", options.continuation,
                   "Tokens of the text behind that, at which distributions are compared")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Another seed, other texts")->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Full prefill is that of the same tokens at the same positions.\n\n"
      "Example:\n"
      "  promptcache bench fidelity --data multi_news.jsonl --k 0,16 --samples 8 --json");
  command->callback([flags, &run] { run = [flags] { return RunFidelity(*flags); }; });
}

}  // namespace promptcache
