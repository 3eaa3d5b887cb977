#include <fmt/format.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/formats/model_identity.h"
#include "coordinator/lint/diff.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/offline_schema.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct DiffFlags {
  std::string before;
  std::string after;
  std::string src_root;
  FrontEndFlags front;
  uint32_t max_tokens = 0;
  double rate = 2000;
  std::string dtype = "bf16";
  bool json = false;
};

// What one token of a unit takes in memory and on disk; 0 without a model.
Result<uint64_t> BytesPerToken(const FrontEnd& front, const DiffFlags& flags) {
  if (front.model.empty()) return uint64_t{0};
  PC_ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(front.model));
  return KvBytesPerToken(checkpoint->config(), flags.dtype);
}

nlohmann::json DiffToJson(const std::vector<UnitDiff>& diffs, uint64_t bytes_per_token,
                          double rate) {
  nlohmann::json units = nlohmann::json::array();
  for (const UnitDiff& diff : diffs) {
    units.push_back({{"path", diff.path},
                     {"change", std::string(UnitChangeName(diff.change))},
                     {"tokens", diff.tokens},
                     {"context_tokens", diff.context_tokens},
                     {"encode_tokens", diff.encode_tokens},
                     {"bytes", diff.tokens * bytes_per_token}});
  }
  const uint64_t encode = EncodeTokens(diffs);
  return {{"units", std::move(units)},
          {"encode_tokens", encode},
          {"encode_seconds", static_cast<double>(encode) / rate},
          {"tokens_per_second", rate}};
}

void PrintDiff(const std::vector<UnitDiff>& diffs, uint64_t bytes_per_token, double rate) {
  Table table({{"change"},
               {"unit"},
               {"tokens", Align::kRight},
               {"context", Align::kRight},
               {"bytes", Align::kRight},
               {"to encode", Align::kRight}});
  size_t kept = 0;
  for (const UnitDiff& diff : diffs) {
    if (diff.change == UnitChange::kKept) {
      ++kept;
      continue;
    }
    table.AddRow({std::string(UnitChangeName(diff.change)), diff.path, std::to_string(diff.tokens),
                  std::to_string(diff.context_tokens),
                  bytes_per_token == 0 ? "-" : FormatBytes(diff.tokens * bytes_per_token),
                  std::to_string(diff.encode_tokens)});
  }
  const uint64_t encode = EncodeTokens(diffs);
  fmt::print("{}{} units kept; {} tokens to encode, about {} at {:.0f} tokens/s\n", table.Render(),
             kept, encode, FormatMs(1000 * static_cast<double>(encode) / rate), rate);
}

int RunDiff(const CommandContext& context, const DiffFlags& flags) {
  const auto settings = SettingsOf(context);
  if (!settings.ok()) return Fail(settings.status());
  const auto front = LoadFrontEnd(context, flags.front);
  if (!front.ok()) return Fail(front.status());
  const auto bytes_per_token = BytesPerToken(*front, flags);
  if (!bytes_per_token.ok()) return Fail(bytes_per_token.status());
  std::array<std::unique_ptr<OfflineSchema>, 2> schemas;
  const std::string* files[] = {&flags.before, &flags.after};
  for (size_t i = 0; i < schemas.size(); ++i) {
    auto schema = OfflineSchema::Read({.file = *files[i], .src_root = flags.src_root},
                                      SchemaLimitsOf(settings->coordinator));
    if (!schema.ok()) return Fail(schema.status());
    schemas[i] = *std::move(schema);
    schemas[i]->LayOut(*front, flags.max_tokens);
    if (!schemas[i]->ok()) return FailWith(schemas[i]->diagnostics(), OutputOf(flags.json));
  }
  const auto diffs = DiffUnits(schemas[0]->layout(), schemas[1]->layout());
  if (flags.json) {
    PrintJson(DiffToJson(diffs, *bytes_per_token, flags.rate));
  } else {
    PrintDiff(diffs, *bytes_per_token, flags.rate);
  }
  return kExitOk;
}

}  // namespace

void AddSchemaDiff(CLI::App& schema, CommandContext& context) {
  auto flags = std::make_shared<DiffFlags>();
  CLI::App* command =
      schema.add_subcommand("diff", "Say which units an edit invalidates, why, and at what cost");
  command->add_option("old", flags->before, "PML schema file")->required();
  command->add_option("new", flags->after, "PML schema file")->required();
  command->add_option("--src-root", flags->src_root,
                      "Folder of the files that src names (default: the schema's)");
  flags->front.AddTo(*command);
  command->add_option("--max-tokens", flags->max_tokens, "Truncate longer text runs; 0: do not");
  command
      ->add_option("--rate", flags->rate,
                   "Tokens a worker encodes in a second, for the estimate (`status` shows it)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--dtype", flags->dtype, "Compute type, for the bytes: fp32 or bf16")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->footer(
      "changed: the unit's own text; context: what it is encoded behind; moved: only distances.\n"
      "Example:\n  promptcache schema diff old.xml new.xml --model model.gguf");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return RunDiff(context, *flags); }; });
}

}  // namespace promptcache
