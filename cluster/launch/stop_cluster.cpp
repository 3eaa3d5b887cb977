#include "cluster/launch/stop_cluster.h"

#include <optional>

#include "cluster/launch/run_directory.h"
#include "common/clock.h"

namespace promptcache {
namespace {

constexpr std::chrono::milliseconds kPoll{100};

std::vector<std::string> NamesLeft(const std::string& directory) {
  std::vector<std::string> names;
  for (const RunDirectory::Member& member : RunDirectory::LiveMembers(directory)) {
    names.push_back(member.name);
  }
  return names;
}

// Calls `ended`, which may take kPoll, until it holds.
Status WaitUntil(const StopOptions& options, const std::function<bool()>& ended) {
  const SteadyTime give_up = SystemClock().Now() + options.patience;
  while (!ended()) {
    const std::vector<std::string> left = NamesLeft(options.run_directory);
    if (options.progress) options.progress(left);
    if (SystemClock().Now() < give_up) continue;
    std::string names;
    for (const std::string& name : left) names += (names.empty() ? "" : ", ") + name;
    return DeadlineExceeded("the cluster in " + options.run_directory + " is still stopping (" +
                            (names.empty() ? "its supervisor" : names) + "); its logs are there");
  }
  return {};
}

// Its processes were told to end when it ended; they may still store what they encoded.
Status CleanStale(const StopOptions& options) {
  PC_RETURN_IF_ERROR(WaitUntil(options, [&] {
    const auto members = RunDirectory::LiveMembers(options.run_directory);
    if (members.empty()) return true;
    const auto handle = ProcessHandle::Open(members.front().stamp);
    if (handle) (void)handle->EndsWithin(kPoll);
    return false;
  }));
  // Who takes it, cleans it; a cluster that is starting there is let be.
  return RunDirectory::Take(options.run_directory).status();
}

}  // namespace

Result<StopOutcome> StopLocalCluster(const StopOptions& options) {
  PC_ASSIGN_OR_RETURN(const bool taken, RunDirectory::IsTaken(options.run_directory));
  const auto owner = RunDirectory::OwnerOf(options.run_directory);
  if (!taken) {
    if (!owner) return NotFound("no cluster runs in " + options.run_directory);
    PC_RETURN_IF_ERROR(CleanStale(options));
    return StopOutcome::kWasStale;
  }
  const auto handle = owner ? ProcessHandle::Open(owner->supervisor) : std::nullopt;
  if (!handle) {
    return FailedPrecondition("the run directory " + options.run_directory +
                              " is in use by a process that does not say who it is; if it is just "
                              "starting, try again");
  }
  if (!owner->stopping) PC_RETURN_IF_ERROR(handle->Terminate());
  PC_RETURN_IF_ERROR(WaitUntil(options, [&] { return handle->EndsWithin(kPoll); }));
  return StopOutcome::kStopped;
}

}  // namespace promptcache
