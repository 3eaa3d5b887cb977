// What the exit code of every program of the project says. Documented in README.md.
#pragma once

#include "common/status.h"

namespace promptcache {

// 0 for OK, else 3..14: one number per Code.
int ExitCodeFor(const Status& status);

// Of a program that could not do what it was to do; kUnavailable for a number that is no Code's.
Code CodeOfExit(int exit_code);

}  // namespace promptcache
