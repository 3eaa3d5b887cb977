#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "coordinator/coordinator.h"
#include "coordinator/plan/plan_builder.h"
#include "coordinator/registry/registry.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/render.h"

namespace promptcache {
namespace {

struct PlanFlags {
  std::string schema_file;
  std::string prompt_file = "-";
  std::string model;
  std::string chat_template = "auto";
  uint32_t max_tokens = 0;
  uint32_t max_new_tokens = 256;
  bool no_cache = false;
  bool json = false;
};

Result<Plan> MakePlan(const CommandContext& context, const PlanFlags& flags) {
  PC_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(context));
  const std::string model_file = flags.model.empty() ? settings.coordinator.model : flags.model;
  if (model_file.empty()) {
    return InvalidArgument("no model: give --model FILE.gguf or set coordinator.model");
  }
  PC_ASSIGN_OR_RETURN(const ServedModel model, LoadServedModel(model_file, flags.chat_template));
  const TextEncoder encoder(*model.tokenizer, *model.chat_template);
  SchemaAdd add{.file = flags.schema_file, .max_tokens = flags.max_tokens};
  PC_ASSIGN_OR_RETURN(add.document, ReadInput(flags.schema_file));
  PC_ASSIGN_OR_RETURN(const SchemaPtr schema,
                      CompileSchema(add, encoder,
                                    {.context_length = model.context_length,
                                     .limits = SchemaLimitsOf(settings.coordinator)}));
  PC_ASSIGN_OR_RETURN(std::string text, ReadInput(flags.prompt_file));
  const PmlSource source(flags.prompt_file, std::move(text));
  PC_ASSIGN_OR_RETURN(const PromptDocument prompt, ParsePrompt(source));
  if (prompt.schema != schema->name) {
    return InvalidArgument("the prompt is for the schema '" + prompt.schema + "', not '" +
                           schema->name + "'");
  }
  return BuildPlan(schema->layout, encoder, source, prompt,
                   {.reuse = flags.no_cache ? ReuseMode::kFull : ReuseMode::kReuse,
                    .max_new_tokens = flags.max_new_tokens,
                    .context_length = model.context_length});
}

int RunPlan(const CommandContext& context, const PlanFlags& flags) {
  const Result<Plan> plan = MakePlan(context, flags);
  if (!plan.ok()) return Fail(plan.status());
  if (flags.json) {
    fmt::print("{}\n", PlanToJson(*plan).dump(2));
  } else {
    fmt::print("{}", RenderPlan(*plan));
  }
  return kExitOk;
}

}  // namespace

void AddPlanCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App* command =
      app.add_subcommand("plan", "Show what a prompt would read and compute, without a cluster");
  command->add_option("--schema", flags->schema_file, "PML schema file")->required();
  command->add_option("--prompt", flags->prompt_file, "PML prompt file, - for standard input")
      ->capture_default_str();
  command->add_option("--model", flags->model, "GGUF file (default: coordinator.model)");
  command->add_option("--template", flags->chat_template, "Chat template, auto for the file's")
      ->capture_default_str();
  command->add_option("--max-tokens", flags->max_tokens, "Truncate longer text runs; 0: do not");
  command->add_option("--max-new-tokens", flags->max_new_tokens, "Room for the answer")
      ->capture_default_str();
  command->add_flag("--no-cache", flags->no_cache, "Compute everything");
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Example:\n"
      "  promptcache plan --model model.gguf --schema support-desk.xml --prompt question.xml");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunPlan(context, *flags); }; });
}

}  // namespace promptcache
