// The trace that goes with every message about a request: a `traceparent` of W3C Trace Context,
// "00-<trace id>-<parent id>-<flags>" in lower-case hexadecimal digits.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/ids.h"
#include "common/status.h"

namespace promptcache {

// What a message may carry.
inline constexpr size_t kMaxTraceBytes = 256;

// kInvalidArgument saying what is wrong. Versions after 00 may have more behind the flags.
Status CheckTraceparent(std::string_view trace);
// Of a request without one: its trace id is the request's id, in every process the same, so that
// who looks for one finds the other. Sampled. REQUIRES: `id` is not zero.
std::string TraceparentOf(const RequestId& id);

}  // namespace promptcache
