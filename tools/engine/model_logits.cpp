#include "tools/engine/model_logits.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tools/cli/commands.h"
#include "tools/cli/exit_codes.h"
#include "worker/model/logits.h"

namespace promptcache {
namespace {

struct LogitsFlags {
  LogitsRequest request;
  size_t top = 0;
  bool json = false;
};

// Tokens by falling logit, the first `count`.
std::vector<size_t> TopOf(const std::vector<float>& logits, size_t count) {
  std::vector<size_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), size_t{0});
  count = std::min(count, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count), ids.end(),
                    [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  ids.resize(count);
  return ids;
}

int RunLogits(const LogitsFlags& flags) {
  const auto logits = LastLogits(flags.request);
  if (!logits.ok()) return Fail(logits.status());
  const std::vector<size_t> top = TopOf(*logits, flags.top == 0 ? 10 : flags.top);
  if (!flags.json) {
    for (const size_t id : top) fmt::print("{:8} {:.6f}\n", id, (*logits)[id]);
    return kExitOk;
  }
  nlohmann::json out = {{"dtype", flags.request.dtype}, {"vocabulary", logits->size()}};
  if (flags.top == 0) {
    out["logits"] = *logits;
  } else {
    for (const size_t id : top) out["top"].push_back({{"id", id}, {"logit", (*logits)[id]}});
  }
  fmt::print("{}\n", out.dump());
  return kExitOk;
}

}  // namespace

void AddModelLogits(CLI::App& app, std::function<int()>& run) {
  auto flags = std::make_shared<LogitsFlags>();
  LogitsRequest& request = flags->request;
  CLI::App* model = app.add_subcommand("model", "Look at a model");
  model->require_subcommand(1);
  CLI::App* command = model->add_subcommand("logits", "The logits behind some tokens");
  command->add_option("path", request.model, "GGUF file or Hugging Face directory")->required();
  command->add_option("--ids", request.ids, "Token ids: 1,2,3")->delimiter(',')->required();
  command->add_option("--positions", request.positions, "Ascending (default: 0,1,2,...)")
      ->delimiter(',');
  command->add_option("--dtype", request.dtype, "auto, fp32 or bf16")->capture_default_str();
  command->add_option("--device", request.device, "cpu or cuda:N")->capture_default_str();
  command->add_option("--threads", request.threads, "CPU threads; 0: one per core")
      ->capture_default_str();
  command->add_option("--top", flags->top, "Only the K largest (as text: 10)");
  command->add_flag("--json", flags->json, "Print JSON: all logits, or those of --top");
  command->footer(
      "Example:\n"
      "  promptcache model logits model.gguf --ids 1,2,3 --positions 0,1,7 --json");
  command->callback([flags, &run] { run = [flags] { return RunLogits(*flags); }; });
}

}  // namespace promptcache
