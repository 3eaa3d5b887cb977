// Names of schemas, modules and parameters.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace promptcache {

// Empty when `name` may be used, else why not: [A-Za-z_][A-Za-z0-9_.-]*, and none of the reserved
// prompt, system, user, assistant, xml*.
std::string WhyNotAName(std::string_view name);

// What an error is about: "<module name='refunds'> in 'support/policies'". An element without a
// name and what is around the outermost one are empty.
std::string ElementPlace(std::string_view element, std::string_view name, std::string_view path);

// Whether `name` is that of a role marker: system, user, assistant.
bool IsRoleName(std::string_view name);

// "; did you mean 'nearest'?", or empty when nothing is near or there are too many to compare.
std::string DidYouMean(std::string_view word, std::span<const std::string> known);

}  // namespace promptcache
