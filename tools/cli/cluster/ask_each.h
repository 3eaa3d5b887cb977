// Questions that only one of several coordinators can answer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cluster/wire/messages.h"
#include "common/status.h"

namespace promptcache {

// Asks one after the other until one knows. Errors: kNotFound of the last that did not know, naming
// those that could not be asked; kUnavailable when none could; at once any other.
using AskOne = std::function<Result<ExplainReply>(const std::string& endpoint)>;
Result<ExplainReply> AskEach(const std::vector<std::string>& endpoints, const AskOne& ask);

}  // namespace promptcache
