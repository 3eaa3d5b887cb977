#include "tools/cli/exit_codes.h"

namespace promptcache {

const char kExitCodeHelp[] =
    "Exit codes: 0 ok; 1 a check failed; 2 usage; 3 invalid input; 4 not found; 5 already exists;\n"
    "6 failed precondition; 7 unavailable (is `promptcache up` running?); 8 busy, try again;\n"
    "9 a limit was reached; 10 deadline exceeded; 11 cancelled; 12 damaged data; 13 "
    "unimplemented;\n"
    "14 internal error.";

}  // namespace promptcache
