// Names of schemas, modules and parameters.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace promptcache {

// Empty when `name` may be used, else why not: [A-Za-z_][A-Za-z0-9_.-]*, and none of the reserved
// prompt, system, user, assistant, xml*.
std::string WhyNotAName(std::string_view name);

// "; did you mean 'nearest'?", or empty when nothing is near or there are too many to compare.
std::string DidYouMean(std::string_view word, std::span<const std::string> known);

}  // namespace promptcache
