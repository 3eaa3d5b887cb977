#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/temporary_directory.h"
#include "tools/cli/commands.h"
#include "tools/cli/demo.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/render.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct DemoFlags {
  DemoOptions options;
  bool json = false;
};

std::string RenderRuns(const DemoResult& result) {
  Table table({{"run"},
               {"first token", Align::kRight},
               {"reused", Align::kRight},
               {"computed", Align::kRight},
               {"units from"},
               {"worker"}});
  for (const DemoRun& run : result.runs) {
    const Usage& usage = run.answer.usage;
    table.AddRow({run.name, FormatMs(run.answer.client_ttft_ms),
                  std::to_string(usage.reused_tokens),
                  std::to_string(usage.computed_tokens + usage.encoded_tokens),
                  SummarizeSources(usage), usage.worker});
  }
  return table.Render();
}

nlohmann::json RunsToJson(const DemoResult& result) {
  nlohmann::json runs = nlohmann::json::array();
  for (const DemoRun& run : result.runs) {
    runs.push_back({{"run", run.name},
                    {"ttft_ms", run.answer.client_ttft_ms},
                    {"tokens", run.answer.tokens()},
                    {"text", run.answer.text()},
                    {"usage", UsageToJson(run.answer.usage)}});
  }
  return {{"runs", std::move(runs)}, {"failures", result.failures}};
}

int RunDemoCommand(const CommandContext& context, const DemoFlags& flags) {
  DemoOptions options = flags.options;
  options.bin_directory = context.bin_directory;
  Result<TemporaryDirectory> directory = TemporaryDirectory::Make("promptcache-demo");
  if (!directory.ok()) return Fail(directory.status());
  options.run_directory = directory->path();
  const DemoEvents events{
      .on_step = [](const std::string& line) { fmt::print(stderr, "-- {}\n", line); },
      .on_text =
          [&](const std::string& text) {
            if (!flags.json) fmt::print("{}", text), std::fflush(stdout);
          }};
  const Result<DemoResult> result = RunDemo(options, events);
  if (!result.ok()) {
    fmt::print(stderr, "logs are in {}\n", directory->Keep());
    return Fail(result.status());
  }
  if (flags.json) {
    fmt::print("{}\n",
               RunsToJson(*result).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("\n{}", RenderRuns(*result));
  }
  for (const std::string& failure : result->failures) fmt::print(stderr, "FAILED: {}\n", failure);
  if (!result->failures.empty()) {
    fmt::print(stderr, "logs are in {}\n", directory->Keep());
    return kExitCheckFailed;
  }
  if (!flags.json) fmt::print("warm and restored answers equal the cold one, token for token\n");
  return kExitOk;
}

}  // namespace

void AddDemoCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<DemoFlags>();
  CLI::App* command = app.add_subcommand(
      "demo", "Send one prompt four ways, and a control, through a cluster of real processes");
  command
      ->add_option("--model", flags->options.model,
                   "GGUF file or Hugging Face directory of the model")
      ->required();
  command
      ->add_option("--examples", flags->options.example_directory,
                   "Folder with the example schemas and prompts/")
      ->required();
  command->add_option("--dtype", flags->options.dtype, "auto, fp32 or bf16")->capture_default_str();
  command->add_option("--max-new-tokens", flags->options.max_new_tokens, "Length of the answers")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object");
  command->footer(
      "Example:\n"
      "  promptcache demo --model model.gguf --examples schemas/pml/examples\n"
      "Exits 0 only when every unit came from where it should and the warm answers equal the cold "
      "one.");
  command->callback([&context, flags] {
    context.run = [&context, flags] { return RunDemoCommand(context, *flags); };
  });
}

}  // namespace promptcache
