#include "tools/cli/exit_codes.h"

namespace promptcache {

int ExitCodeFor(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return kExitOk;
    case Code::kInvalidArgument:
      return 3;
    case Code::kNotFound:
      return 4;
    case Code::kAlreadyExists:
      return 5;
    case Code::kFailedPrecondition:
      return 6;
    case Code::kUnavailable:
      return 7;
    case Code::kBusy:
      return 8;
    case Code::kResourceExhausted:
      return 9;
    case Code::kDeadlineExceeded:
      return 10;
    case Code::kCancelled:
      return 11;
    case Code::kDataLoss:
      return 12;
    case Code::kUnimplemented:
      return 13;
    case Code::kInternal:
      return 14;
  }
  return 14;
}

const char kExitCodeHelp[] =
    "Exit codes: 0 ok; 1 a check failed; 2 usage; 3 invalid input; 4 not found; 5 already exists;\n"
    "6 failed precondition; 7 unavailable (is `promptcache up` running?); 8 busy, try again;\n"
    "9 a limit was reached; 10 deadline exceeded; 11 cancelled; 12 damaged data; 13 "
    "unimplemented;\n"
    "14 internal error.";

}  // namespace promptcache
