// `promptcache up --detach`: the same command as a process of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/status.h"

namespace promptcache {

// Runs this program with `arguments` in a session of its own, with its output appended to up.log in
// the run directory, and returns its number when the cluster there serves. When it ends before, the
// code is what its exit code says, with the log's last lines; kFailedPrecondition when another
// cluster has the directory. When the caller ends, it goes on.
Result<pid_t> StartDetached(std::vector<std::string> arguments, const std::string& run_directory);

}  // namespace promptcache
