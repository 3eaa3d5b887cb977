#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/table.h"

namespace promptcache {
namespace {

struct PinFlags {
  StoreTarget target;
  SelectionFlags selection;
};

void Print(const PinReceipt& receipt, PinChange change, const StoreTarget& target) {
  if (target.json) {
    PrintJson(nlohmann::json{{"blobs", receipt.blobs},
                             {"refused", receipt.refused},
                             {"pinned_bytes", receipt.pinned_bytes},
                             {"pin_quota_bytes", receipt.pin_quota_bytes}});
    return;
  }
  fmt::print("{} units {}; {} of {} are pinned\n", receipt.blobs,
             change == PinChange::kPin ? "pinned" : "unpinned", FormatBytes(receipt.pinned_bytes),
             FormatBytes(receipt.pin_quota_bytes));
  if (receipt.refused > 0) {
    fmt::print("{} units refused: they are over store.pin_quota_bytes\n", receipt.refused);
  }
}

Result<int> SetPins(const CommandContext& context, const PinFlags& flags, PinChange change) {
  PC_ASSIGN_OR_RETURN(const auto access,
                      OpenStoreAccess(context, flags.target, OpenFor::kChanging));
  PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, ListAll(access->blobs()));
  PC_ASSIGN_OR_RETURN(const BlobSelector selector, SelectorOfSome(blobs, flags.selection));
  PC_RETURN_IF_ERROR(CheckSelector(selector));
  PC_ASSIGN_OR_RETURN(const PinReceipt receipt, access->admin().SetPins(selector, change));
  Print(receipt, change, flags.target);
  return receipt.refused == 0 ? kExitOk : ExitCodeFor(ResourceExhausted(""));
}

Result<int> RunPin(const CommandContext& context, const PinFlags& flags) {
  return SetPins(context, flags, PinChange::kPin);
}

Result<int> RunUnpin(const CommandContext& context, const PinFlags& flags) {
  return SetPins(context, flags, PinChange::kUnpin);
}

}  // namespace

void AddStorePin(const StoreCommands& commands) {
  const auto [pin, pin_flags] = AddStoreSubcommand<PinFlags>(
      commands,
      {"pin", "Keep units: they neither expire nor make room for others",
       "Ends with 9 when some are over store.pin_quota_bytes.\n"
       "Examples:\n"
       "  promptcache store pin --schema desk\n"
       "  promptcache store pin 3fa9 77c0"},
      RunPin);
  pin_flags->selection.AddTo(*pin);
  const auto [unpin, unpin_flags] =
      AddStoreSubcommand<PinFlags>(commands,
                                   {"unpin", "Take back what `pin` did; pins of a schema stay",
                                    "Example:\n  promptcache store unpin --module desk/refunds"},
                                   RunUnpin);
  unpin_flags->selection.AddTo(*unpin);
}

}  // namespace promptcache
