// "Did you mean": the nearest known word.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace promptcache {

// Levenshtein distance in bytes.
size_t EditDistance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, or "" when none is near (more than a third of the word, at least
// 3 changes away).
std::string NearestWord(std::string_view word, std::span<const std::string> candidates);

}  // namespace promptcache
