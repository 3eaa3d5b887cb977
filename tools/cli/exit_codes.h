// What the process's exit code says. Documented in `promptcache --help` and README.md.
#pragma once

#include "common/exit_codes.h"

namespace promptcache {

inline constexpr int kExitOk = 0;
inline constexpr int kExitCheckFailed = 1;  // it ran, but what it was to show did not hold
inline constexpr int kExitUsage = 2;        // unknown option or command

// The table of exit codes for --help.
extern const char kExitCodeHelp[];

}  // namespace promptcache
