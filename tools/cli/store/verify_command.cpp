#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/cli/exit_codes.h"
#include "tools/cli/progress.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/selection.h"
#include "tools/cli/store/verify.h"

namespace promptcache {
namespace {

constexpr unsigned kMostThreads = 8;  // more do not make one disk faster

struct VerifyFlags {
  StoreTarget target;
  SelectionFlags selection;
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
  bool repair = false;
};

Result<VerifyReport> Look(const CommandContext& context, const VerifyFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, flags.target, OpenFor::kLooking));
  PC_ASSIGN_OR_RETURN(std::vector<BlobInfo> blobs, ListAll(access->blobs()));
  PC_ASSIGN_OR_RETURN(const BlobSelector selector, SelectorOfSome(blobs, flags.selection));
  const bool all = !CheckSelector(selector).ok();
  blobs = Selected(selector, std::move(blobs));
  PC_ASSIGN_OR_RETURN(VerifyReport report, VerifyBlobs(access->blobs(), blobs, flags.threads,
                                                       ProgressOnTerminal("verifying")));
  if (!all) return report;
  PC_ASSIGN_OR_RETURN(const CheckReport check, access->admin().Check(CheckMode::kReport));
  AddFindings(check, report);
  return report;
}

Result<int> RunVerify(const CommandContext& context, const VerifyFlags& flags) {
  PC_ASSIGN_OR_RETURN(VerifyReport report, Look(context, flags));
  if (flags.repair && !report.damaged.empty()) {
    PC_ASSIGN_OR_RETURN(const auto access,
                        OpenStoreAccess(context, flags.target, OpenFor::kChanging));
    PC_RETURN_IF_ERROR(DropDamaged(access->blobs(), access->admin(), report));
  }
  if (flags.target.json) {
    PrintJson(VerifyToJson(report));
  } else {
    fmt::print("{}", RenderVerify(report));
  }
  if (report.damaged.empty()) return kExitOk;
  return HasDamageLeft(report) ? ExitCodeFor(DataLoss("")) : kExitCheckFailed;
}

}  // namespace

void AddStoreVerify(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<VerifyFlags>(
      commands,
      {"verify", "Read every byte and name what is damaged",
       "Ends with 0 when all is right, 12 when something is damaged, 1 when all of that was "
       "dropped.\n"
       "Examples:\n"
       "  promptcache store verify\n"
       "  promptcache store verify --schema desk --repair\n"
       "  promptcache store verify --directory /backup/store --json"},
      RunVerify);
  flags->selection.AddTo(*command);
  command->add_option("--threads", flags->threads, "Units that are read at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_flag("--repair", flags->repair,
                    "Drop what is damaged; it is encoded again when it is used");
}

}  // namespace promptcache
