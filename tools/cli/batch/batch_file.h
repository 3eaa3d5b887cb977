// Prompts of a batch as JSON, one object a line. Pure.
#pragma once

#include <string>

#include "cluster/wire/messages.h"
#include "common/status.h"

namespace promptcache {

// Blank lines are passed over. `defaults`: what a line does not say; every line needs a prompt.
// kInvalidArgument as "FILE:LINE: what", `file` being the name to print.
Result<BatchAdd> ParseBatchFile(const std::string& file, const std::string& text,
                                const BatchItem& defaults);

}  // namespace promptcache
