#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/removal.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/store/worker_erasure.h"

namespace promptcache {
namespace {

struct RemoveFlags {
  StoreTarget target;
  SelectionFlags selection;
  bool dry_run = false;
  bool prove = false;
};

void Print(const RemovalReport& report, Removal removal, const StoreTarget& target) {
  if (target.json) {
    PrintJson(RemovalToJson(report, removal));
  } else {
    fmt::print("{}", RenderRemoval(report, removal));
  }
}

RemovalReport ReportOf(const RemoveFlags& flags, const BlobSelector& selector,
                       RemovalReceipt receipt) {
  RemovalReport report = ReportRemoval(selector, std::move(receipt));
  const StoreTarget& target = flags.target;
  if (!target.endpoint.empty()) report.store_options = " --endpoint " + target.endpoint;
  if (!target.directory.empty()) report.store_options = " --directory " + target.directory;
  return report;
}

// Something was named, and nothing was meant.
bool MeansNothing(const BlobSelector& selector, const RemovalReport& report) {
  const RemovalReceipt& receipt = report.receipt;
  return selector.names_references() && receipt.references == 0 && receipt.removed.empty() &&
         receipt.shared.empty() && report.pinned.empty();
}

int ExitCodeOf(const RemovalReport& report) {
  return report.pinned.empty() ? kExitOk : ExitCodeFor(FailedPrecondition(""));
}

// What the disk still holds is in the receipt; the workers are asked here.
Result<int> Prove(const CommandContext& context, const RemovalReport& report,
                  const StoreTarget& target) {
  std::vector<UnitKey> keys;
  for (const RemovedBlob& blob : report.receipt.removed) keys.push_back(blob.key);
  const WorkerErasure erasure = EraseInWorkers(context, target, keys);
  if (target.json) {
    nlohmann::json out = RemovalToJson(report, Removal::kProved);
    out["memory"] = ErasureToJson(erasure);
    PrintJson(out);
  } else {
    fmt::print("{}{}", RenderRemoval(report, Removal::kProved), RenderErasure(erasure));
  }
  const bool held = !report.receipt.still_on_disk.empty() || IsHeld(erasure);
  return held ? kExitCheckFailed : ExitCodeOf(report);
}

Result<int> RunRemove(const CommandContext& context, const RemoveFlags& flags) {
  const OpenFor purpose = flags.dry_run ? OpenFor::kLooking : OpenFor::kChanging;
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, flags.target, purpose));
  PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, ListAll(access->blobs()));
  PC_ASSIGN_OR_RETURN(const BlobSelector selector, SelectorOf(blobs, flags.selection));
  PC_RETURN_IF_ERROR(CheckSelector(selector));
  if (flags.dry_run) {
    const RemovalReport report = ReportOf(flags, selector, PlanRemoval(blobs, selector));
    if (MeansNothing(selector, report)) return NoneOf(selector);
    Print(report, Removal::kPlanned, flags.target);
    return ExitCodeOf(report);
  }
  PC_ASSIGN_OR_RETURN(
      RemovalReceipt receipt,
      access->admin().RemoveReferences(selector, flags.prove ? Erasure::kProve : Erasure::kDrop));
  const RemovalReport report = ReportOf(flags, selector, std::move(receipt));
  // Only now: the store also drops what has expired and is not listed any more.
  if (MeansNothing(selector, report)) return NoneOf(selector);
  if (flags.prove) return Prove(context, report, flags.target);
  Print(report, Removal::kDone, flags.target);
  return ExitCodeOf(report);
}

}  // namespace

void AddStoreRemove(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<RemoveFlags>(
      commands,
      {"rm", "Drop references by name, then the units that have none left",
       "Units that others use stay, and the receipt says for whom. What is pinned stays as it is, "
       "with all\nits references, and the command ends with 6: `promptcache store unpin` it "
       "first.\n"
       "--prove looks for the bytes on the disk and makes every live worker drop the units; it "
       "says `disk only` where no coordinator\n"
       "answers, and ends with 1 when a file or a running request still holds one.\n"
       "Examples:\n"
       "  promptcache store rm --schema desk --version 0123456789abcdef --dry-run\n"
       "  promptcache store rm --tenant acme --prove\n"
       "  promptcache store rm 3fa9"},
      RunRemove);
  flags->selection.AddTo(*command);
  CLI::Option* dry = command->add_flag("--dry-run", flags->dry_run, "Only say what would go");
  command
      ->add_flag("--prove", flags->prove,
                 "Look for the bytes on the disk, and ask the workers, after it is done")
      ->excludes(dry);
}

}  // namespace promptcache
