#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/blob_list.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/selection.h"

namespace promptcache {
namespace {

struct ListFlags {
  StoreTarget target;
  SelectionFlags selection;
  BlobFilter filter;
  BlobOrder order = BlobOrder::kKey;
};

// The weights that --model means: their first digits, or the name of a model that a worker serves.
Result<std::string> WeightsOf(const CommandContext& context, const std::string& model) {
  if (model.find_first_not_of(kHexDigits) == std::string::npos) return model;
  PC_ASSIGN_OR_RETURN(const auto client, ConnectClient(context));
  PC_ASSIGN_OR_RETURN(const StatusReply status, client->GetStatus());
  for (const WorkerStatus& worker : status.workers) {
    if (worker.model == model) return worker.identity.weights;
  }
  return NotFound("no worker serves a model '" + model +
                  "'; give the first digits of its weights, as `promptcache store ls` shows them");
}

Result<int> RunList(const CommandContext& context, const ListFlags& flags) {
  BlobFilter filter = flags.filter;
  PC_ASSIGN_OR_RETURN(filter.model, WeightsOf(context, flags.filter.model));
  filter.selector = flags.selection.selector;
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, flags.target, OpenFor::kLooking));
  PC_ASSIGN_OR_RETURN(std::vector<BlobInfo> blobs, ListAll(access->blobs()));
  blobs = FilterBlobs(filter, std::move(blobs));
  SortBlobs(flags.order, blobs);
  if (flags.target.json) {
    PrintJson(BlobsToJson(blobs));
  } else {
    fmt::print("{}", RenderBlobs(blobs, SystemClock().UnixMillis()));
  }
  return kExitOk;
}

const std::map<std::string, BlobOrder>& Orders() {
  static const std::map<std::string, BlobOrder> orders = {
      {"key", BlobOrder::kKey},       {"size", BlobOrder::kSize},   {"age", BlobOrder::kAge},
      {"used", BlobOrder::kUsed},     {"saved", BlobOrder::kSaved}, {"tokens", BlobOrder::kTokens},
      {"schema", BlobOrder::kSchema},
  };
  return orders;
}

}  // namespace

void AddStoreList(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<ListFlags>(
      commands,
      {"ls", "List stored units",
       "What has expired is not listed. `saved` is imports times the seconds that encoding took.\n"
       "Examples:\n"
       "  promptcache store ls --sort saved\n"
       "  promptcache store ls --directory promptcache-run/store --module desk/refunds --json"},
      RunList);
  flags->selection.AddReferenceOptions(*command);
  command->add_option("--model", flags->filter.model,
                      "Of this model: first digits of its weights, or the name it is served under");
  command->add_flag("--pinned", flags->filter.pinned, "Only what is pinned");
  command
      ->add_option_function<std::string>(
          "--sort",
          [flags = flags](const std::string& order) { flags->order = Orders().at(order); },
          "size, age, used, saved, tokens (most first), schema or key (default)")
      ->check(CLI::IsMember(&Orders()).description(""));
}

}  // namespace promptcache
