#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/check_report.h"
#include "tools/cli/store/command.h"

namespace promptcache {
namespace {

struct CheckFlags {
  StoreTarget target;
  bool repair = false;
};

Result<CheckReport> Look(const CommandContext& context, const StoreTarget& target) {
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, target, OpenFor::kLooking));
  return access->admin().Check(CheckMode::kReport);
}

// A directory is also repaired by being opened. Marks in `report` what is gone then.
Status Repair(const CommandContext& context, const StoreTarget& target, CheckReport& report) {
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, target, OpenFor::kChanging));
  if (const std::string opening = access->opening(); !opening.empty()) {
    report.findings.push_back({.kind = "database damaged", .where = opening});
  }
  PC_RETURN_IF_ERROR(access->admin().Check(CheckMode::kRepair).status());
  PC_ASSIGN_OR_RETURN(const CheckReport after, access->admin().Check(CheckMode::kReport));
  MarkRepaired(after, report);
  return {};
}

Result<int> RunFsck(const CommandContext& context, const CheckFlags& flags) {
  auto looked = Look(context, flags.target);
  // Without --repair a database that does not open stays as it is.
  const bool can_go_on = looked.ok() || (flags.repair && looked.status().code() == Code::kDataLoss);
  if (!can_go_on) return looked.status();
  CheckReport report = looked.ok() ? *std::move(looked) : CheckReport{};
  if (flags.repair) PC_RETURN_IF_ERROR(Repair(context, flags.target, report));
  if (flags.target.json) {
    PrintJson(CheckToJson(report));
  } else {
    fmt::print("{}", RenderCheck(report));
  }
  if (report.findings.empty()) return kExitOk;
  return HasFindingsLeft(report) ? ExitCodeFor(DataLoss("")) : kExitCheckFailed;
}

Result<int> RunGarbage(const CommandContext& context, const CheckFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto access,
                      OpenStoreAccess(context, flags.target, OpenFor::kChanging));
  PC_ASSIGN_OR_RETURN(const GarbageReport report, access->admin().CollectGarbage());
  if (flags.target.json) {
    PrintJson(GarbageToJson(report));
  } else {
    fmt::print("{}", RenderGarbage(report));
  }
  return kExitOk;
}

}  // namespace

void AddStoreCheck(const StoreCommands& commands) {
  const auto [command, flags] = AddStoreSubcommand<CheckFlags>(
      commands,
      {"fsck", "Compare manifests, files, references and counters, both ways",
       "Reads no tensors: `promptcache store verify` does. Ends with 0 when all agree, 12 when "
       "not,\n1 when all that was found is repaired.\n"
       "Examples:\n"
       "  promptcache store fsck\n"
       "  promptcache store fsck --directory promptcache-run/store --repair"},
      RunFsck);
  command->add_flag("--repair", flags->repair,
                    "Drop what is damaged or belongs to nothing; a database that does not open is "
                    "moved aside");
  AddStoreSubcommand<CheckFlags>(
      commands,
      {"gc", "Drop what has expired, is over the quota or belongs to nothing",
       "Example:\n  promptcache store gc --directory promptcache-run/store"},
      RunGarbage);
}

}  // namespace promptcache
