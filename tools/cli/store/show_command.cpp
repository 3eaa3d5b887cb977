#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/text/load_tokenizer.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/blob_detail.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/store/unit_text.h"

namespace promptcache {
namespace {

struct ShowFlags {
  StoreTarget target;
  std::string unit;
  std::string model;
  uint64_t head_bytes = 128;
  bool verify = false;
  bool norms = false;
};

// By the first digits of its key, else by the module that uses it.
Result<BlobInfo> FindUnit(std::vector<BlobInfo> blobs, const std::string& unit) {
  const auto key = FindKey(blobs, unit);
  if (key.ok()) {
    return *std::find_if(blobs.begin(), blobs.end(),
                         [&](const BlobInfo& blob) { return blob.key == *key; });
  }
  std::erase_if(blobs, [&](const BlobInfo& blob) {
    const auto& uses = blob.use.references;
    return std::none_of(uses.begin(), uses.end(),
                        [&](const BlobReference& one) { return one.reference.module == unit; });
  });
  if (blobs.size() == 1) return blobs.front();
  if (blobs.empty()) {
    if (unit.find_first_not_of(kHexDigits) == std::string::npos) return key.status();
    return NotFound("no stored unit is of the module '" + unit +
                    "'; `promptcache store ls` lists modules and keys");
  }
  std::string keys;
  for (const BlobInfo& blob : blobs) keys += " " + blob.key.ToHex().substr(0, 12);
  return InvalidArgument("the module '" + unit + "' has several stored units; name one:" + keys);
}

Status DecodeText(const std::string& model, BlobDetail& detail) {
  PC_ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizerFile(model));
  const std::string digest = tokenizer->digest().ToHex();
  if (digest != detail.header.identity.tokenizer) {
    return FailedPrecondition("the tokenizer of " + model + " is " + digest +
                              "; the unit's tokens are of " + detail.header.identity.tokenizer);
  }
  PC_ASSIGN_OR_RETURN(detail.text, TextOfTokens(*tokenizer, detail.header.recipe.own.ids));
  detail.text_source = "decoded";
  return {};
}

// From the first of its schemas that is registered; a store without records is not an error.
void FindText(MetaStore& meta, BlobDetail& detail) {
  detail.text_source = "give --model to decode them";
  for (const BlobReference& one : detail.info.use.references) {
    const auto text = TextInSchema(meta, one.reference);
    if (!text.ok() || !*text) continue;
    detail.text = **text;
    detail.text_source = "as written in " + ReferenceText(one.reference);
    return;
  }
}

Result<int> RunShow(const CommandContext& context, const ShowFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, flags.target, OpenFor::kLooking));
  PC_ASSIGN_OR_RETURN(std::vector<BlobInfo> blobs, ListAll(access->blobs()));
  PC_ASSIGN_OR_RETURN(const BlobInfo info, FindUnit(std::move(blobs), flags.unit));
  PC_ASSIGN_OR_RETURN(
      BlobDetail detail,
      ReadDetail(access->blobs(), info,
                 {.head_bytes = flags.head_bytes,
                  .segments = flags.verify ? Segments::kRecomputed : Segments::kAsStored,
                  .norms = flags.norms ? Norms::kComputed : Norms::kNone}));
  if (flags.model.empty()) {
    FindText(access->meta(), detail);
  } else {
    PC_RETURN_IF_ERROR(DecodeText(flags.model, detail));
  }
  if (flags.target.json) {
    PrintJson(DetailToJson(detail));
  } else {
    fmt::print("{}", RenderDetail(detail));
  }
  return IsIntact(detail) ? kExitOk : ExitCodeFor(DataLoss(""));
}

}  // namespace

void AddStoreShow(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<ShowFlags>(
      commands,
      {"show", "Show one stored unit: who uses it, its text, identity, layout and checksums",
       "Ends with 12 when --verify finds damage.\n"
       "Examples:\n"
       "  promptcache store show 3fa9 --verify\n"
       "  promptcache store show desk/refunds --model model.gguf --norms"},
      RunShow);
  command->add_option("unit", flags->unit, "Key or its first digits, or SCHEMA/MODULE")->required();
  command->add_option("--model", flags->model,
                      "GGUF file or Hugging Face directory whose tokenizer decodes the tokens "
                      "(default: the text as the registered schema has it)");
  command->add_option("--bytes", flags->head_bytes, "How much of the header to dump")
      ->capture_default_str()
      ->check(CLI::Range(0, 65536));
  command->add_flag("--verify", flags->verify, "Read the segments and compute their checksums");
  command->add_flag("--norms", flags->norms, "Norms of keys and values, layer by layer");
}

}  // namespace promptcache
