#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/text/load_tokenizer.h"
#include "tools/bench/tokenizer_bench.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"

namespace promptcache {
namespace {

struct BenchTokenizerFlags {
  std::vector<std::string> tokenizers;
  std::string data;
  TokenizerBenchOptions bench;
  bool json = false;
};

Result<TokenizerReport> Measure(const BenchTokenizerFlags& flags) {
  TokenizerReport report{.options = flags.bench, .cpu = CpuName()};
  std::vector<std::string> texts = MakeContexts();
  if (!flags.data.empty()) {
    PC_ASSIGN_OR_RETURN(texts, ReadContexts(flags.data));
  }
  report.texts = texts.size();
  for (const std::string& text : texts) report.bytes += text.size();
  for (const std::string& path : flags.tokenizers) {
    PC_ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizerFile(path));
    const auto progress = [&](const std::string& step) {
      fmt::print(stderr, "{}: {}\n", path, step);
    };
    PC_ASSIGN_OR_RETURN(TokenizerTimes times,
                        MeasureTokenizer(*tokenizer, texts, flags.bench, progress));
    times.name = path;
    report.tokenizers.push_back(std::move(times));
  }
  return report;
}

int RunBenchTokenizer(const BenchTokenizerFlags& flags) {
  const Result<TokenizerReport> report = Measure(flags);
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    fmt::print("{}\n", TokenizersToJson(*report).dump(2));
  } else {
    fmt::print("{}", RenderTokenizers(*report));
  }
  return kExitOk;
}

}  // namespace

void AddBenchTokenizerCommand(CLI::App& bench, CommandContext& context) {
  auto flags = std::make_shared<BenchTokenizerFlags>();
  flags->tokenizers = {PROMPTCACHE_DEFAULT_MODEL};
  CLI::App* command = bench.add_subcommand("tokenizer", "Turning text into tokens, on one core");
  command
      ->add_option("--tokenizer", flags->tokenizers,
                   "Model directory, GGUF file, tokenizer.json or tokenizer.model; may be repeated")
      ->capture_default_str();
  command->add_option("--data", flags->data,
                      "Folder with *.jsonl files whose lines have a `context` (default: made-up "
                      "English words)");
  command->add_option("--iterations", flags->bench.iterations, "Measured runs of each text")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--largest", flags->bench.largest_kib, "KiB of the largest hard text")
      ->check(CLI::Range(128, 16384))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Hard texts begin at 128 KiB and double: letters without a space, the word with the most\n"
      "merges again and again, one letter, spaces, and combining marks in the wrong order. A "
      "ratio\n"
      "of about 2 from one size to the next is what n log n takes.\n\n"
      "Example:\n"
      "  promptcache bench tokenizer --tokenizer tokenizer.json --data longbench --json");
  command->callback(
      [&context, flags] { context.run = [flags] { return RunBenchTokenizer(*flags); }; });
}

}  // namespace promptcache
