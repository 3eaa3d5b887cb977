#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/formats/model_identity.h"
#include "coordinator/plan/plan_builder.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/generation_flags.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/plan_report.h"
#include "tools/cli/progress.h"
#include "tools/cli/render.h"
#include "tools/cli/schema_commands.h"

namespace promptcache {
namespace {

struct PlanFlags {
  SchemaPath schema;
  std::string prompt_file = "-";
  FrontEndFlags front;
  std::string dtype;
  uint32_t max_tokens = 0;
  uint32_t max_new_tokens = 256;
  ReuseFlags reuse;
  bool json = false;
};

Result<std::optional<Identity>> IdentityFor(const FrontEnd& front, const std::string& dtype) {
  if (dtype.empty()) return std::optional<Identity>();
  if (front.model.empty()) return InvalidArgument("--dtype needs --model: keys name its weights");
  PC_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(front.model));
  PC_ASSIGN_OR_RETURN(
      Identity identity,
      IdentityOfModel(*checkpoint, dtype, ProgressOnTerminal("hashing the weights")));
  identity.tokenizer = front.tokenizer->digest().ToHex();
  return std::optional<Identity>(std::move(identity));
}

Result<RepairChoice> RepairFor(const ReuseFlags& flags, const CoordinatorSettings& settings) {
  PC_ASSIGN_OR_RETURN(const RepairChoice fallback, DefaultRepair(settings));
  return ChooseRepair(flags.wanted_repair(), flags.linked_tokens, fallback);
}

int PrintPlan(const PlanFlags& flags, const FrontEnd& front, const Layout& layout,
              const Plan& plan) {
  if (!flags.json) {
    fmt::print("{}", RenderPlan(plan));
    return kExitOk;
  }
  const auto identity = IdentityFor(front, flags.dtype);
  if (!identity.ok()) return Fail(identity.status());
  PrintJson(PlanReport(layout, plan, *front.tokenizer, *identity));
  return kExitOk;
}

int RunPlan(const CommandContext& context, const PlanFlags& flags) {
  const auto settings = SettingsOf(context);
  if (!settings.ok()) return Fail(settings.status());
  const auto front = LoadFrontEnd(context, flags.front);
  if (!front.ok()) return Fail(front.status());
  const auto schema = OfflineSchema::Read(flags.schema, SchemaLimitsOf(settings->coordinator));
  if (!schema.ok()) return Fail(schema.status());
  (*schema)->LayOut(*front, flags.max_tokens);
  if (!(*schema)->ok()) return FailWith((*schema)->diagnostics(), OutputOf(flags.json));

  Result<std::string> text = ReadInput(flags.prompt_file);
  if (!text.ok()) return Fail(text.status());
  const PmlSource source(flags.prompt_file == "-" ? "standard input" : flags.prompt_file,
                         *std::move(text));
  Diagnostics diagnostics(source);
  const auto prompt = ParsePrompt(source, PromptLimitsOf(settings->coordinator), diagnostics);
  if (!prompt) return FailWith(diagnostics, OutputOf(flags.json));
  const auto repair = RepairFor(flags.reuse, settings->coordinator);
  if (!repair.ok()) return Fail(repair.status());
  const auto plan = BuildPlan((*schema)->layout(), front->encoder(), *prompt,
                              {.reuse = flags.reuse.mode(),
                               .repair = *repair,
                               .max_new_tokens = flags.max_new_tokens,
                               .context_length = front->context_length},
                              diagnostics);
  if (!plan) return FailWith(diagnostics, OutputOf(flags.json));
  return PrintPlan(flags, *front, (*schema)->layout(), *plan);
}

}  // namespace

void AddPlanCommand(CLI::App& app, CommandContext& context) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App* command =
      app.add_subcommand("plan", "Show what a prompt would read and compute, without a cluster");
  command->add_option("--schema", flags->schema.file, "PML schema file")->required();
  command->add_option("--src-root", flags->schema.src_root,
                      "Folder of the files that src names (default: the schema's)");
  command->add_option("--prompt", flags->prompt_file, "PML prompt file, - for standard input")
      ->capture_default_str();
  flags->front.AddTo(*command);
  command->add_option("--dtype", flags->dtype,
                      "fp32 or bf16: with --json, the keys of units as workers of this type have "
                      "them");
  command->add_option("--max-tokens", flags->max_tokens, "Truncate longer text runs; 0: do not");
  command
      ->add_option("--max-new-tokens", flags->max_new_tokens,
                   "Room for the answer; 0: encode only, nothing is computed again")
      ->capture_default_str();
  flags->reuse.AddTo(*command);
  command->add_flag("--json", flags->json, "Print JSON: every token and every unit");
  command->footer(
      "Example:\n"
      "  promptcache plan --model model.gguf --schema support-desk.xml --prompt question.xml");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunPlan(context, *flags); }; });
}

}  // namespace promptcache
