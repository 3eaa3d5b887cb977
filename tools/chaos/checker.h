// The request contract of cluster/README.md, held against a history.
#pragma once

#include <string>
#include <vector>

#include "tools/chaos/history.h"

namespace promptcache::chaos {

struct Violation {
  std::string request;  // its id; empty: of the cluster as a whole
  std::string what;
};

// What an answer is when nothing goes wrong, by question.
using Expected = std::vector<Samples>;

// Every request has one end, no later than a second after its deadline; its parts are numbered
// without gaps, nothing follows the end, and they are the answer; the answer is the expected one
// when it is OK, else a beginning of it, tokens and text; and it failed for a reason that trouble
// explains.
std::vector<Violation> CheckHistory(const std::vector<RequestRecord>& records,
                                    const Expected& expected);

// Of a request's life: the longest time without a part while more came.
milliseconds LongestGap(const RequestRecord& record);

}  // namespace promptcache::chaos
