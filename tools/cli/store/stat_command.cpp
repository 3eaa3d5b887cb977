#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/cli/exit_codes.h"
#include "tools/cli/schema_commands.h"
#include "tools/cli/store/command.h"
#include "tools/cli/store/stat_report.h"

namespace promptcache {
namespace {

struct StatFlags {
  StoreTarget target;
};

Result<int> RunStat(const CommandContext& context, const StatFlags& flags) {
  PC_ASSIGN_OR_RETURN(const auto access, OpenStoreAccess(context, flags.target, OpenFor::kLooking));
  PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, ListAll(access->blobs()));
  PC_ASSIGN_OR_RETURN(const StoreStats stats, access->Stats());
  if (flags.target.json) {
    PrintJson(StatReportToJson(stats, blobs));
  } else {
    fmt::print("{}", RenderStatReport(stats, blobs));
  }
  return kExitOk;
}

}  // namespace

void AddStoreStat(const StoreCommands& commands) {
  AddStoreSubcommand<StatFlags>(
      commands,
      {"stat", "How full the store is, what it has done, and for whom",
       "Examples:\n"
       "  promptcache store stat\n"
       "  promptcache store stat --directory promptcache-run/store --json"},
      RunStat);
}

}  // namespace promptcache
