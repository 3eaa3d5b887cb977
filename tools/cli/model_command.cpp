#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/cli/engine_commands.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/model_report.h"
#include "tools/cli/progress.h"
#include "tools/cli/schema_commands.h"

namespace promptcache {
namespace {

struct InspectFlags {
  std::string path;
  bool verify = false;
  bool json = false;
};

int RunInspect(const InspectFlags& flags) {
  const auto report =
      InspectModel(flags.path, flags.verify ? DigestSource::kVerified : DigestSource::kCached,
                   ProgressOnTerminal("hashing the weights"));
  if (!report.ok()) return Fail(report.status());
  if (flags.json) {
    PrintJson(ModelReportToJson(*report));
  } else {
    fmt::print("{}", RenderModelReport(*report));
  }
  return report->supported.ok() ? kExitOk : ExitCodeFor(report->supported);
}

void AddInspect(CLI::App& model, CommandContext& context) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = model.add_subcommand(
      "inspect", "Say what a model is, what it needs, and the identity of its units");
  command->add_option("path", flags->path, "GGUF file or Hugging Face directory")->required();
  command->add_flag("--verify", flags->verify,
                    "Hash the weights again instead of believing the digest kept beside them");
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "Reads headers only, and the weights once for their digest. Of a model that is not "
      "supported\n"
      "it prints what can be known and exits like any command that is asked for it.\n\n"
      "Examples:\n"
      "  promptcache model inspect model.gguf\n"
      "  promptcache model inspect models/llama-2-7b --json");
  command->callback([&context, flags] { context.run = [flags] { return RunInspect(*flags); }; });
}

}  // namespace

void AddModelCommand(CLI::App& app, CommandContext& context) {
  CLI::App* model = app.add_subcommand("model", "Look at a model");
  model->require_subcommand(1);
  model->footer(
      "Examples:\n"
      "  promptcache model inspect model.gguf\n"
      "  promptcache model logits model.gguf --ids 1,2,3");
  AddInspect(*model, context);
  AddEngineCommand(*model, context,
                   {"model logits", "logits", "The logits behind some tokens, to compare engines"});
}

}  // namespace promptcache
