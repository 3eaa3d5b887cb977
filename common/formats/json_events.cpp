#include "common/formats/json_events.h"

#include <fmt/format.h>

#include <algorithm>

namespace promptcache {
namespace {

// Bytes of the longest string or bare word.
size_t LongestToken(std::string_view json) {
  size_t longest = 0, length = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    const bool ends = in_string
                          ? c == '"'
                          : std::string_view("\",:{}[] \t\r\n").find(c) != std::string_view::npos;
    if (in_string && c == '\\') ++i;
    if (c == '"') in_string = !in_string;
    length = ends ? 0 : length + 1;
    longest = std::max(longest, length);
  }
  return longest;
}

}  // namespace

Status JsonEvents::Read(std::string_view json) {
  const size_t limit = 4096 + json.size() / 16;
  if (const size_t longest = LongestToken(json); longest > limit) {
    return InvalidArgument(
        fmt::format("a string or number of {} bytes, at most {} are read", longest, limit));
  }
  (void)nlohmann::json::sax_parse(json.begin(), json.end(), this);
  return fault_;
}

bool JsonEvents::parse_error(size_t position, const std::string& /*last_token*/,
                             const nlohmann::detail::exception& /*error*/) {
  return Fail(InvalidArgument(fmt::format("at byte {}: not JSON", position)));
}

bool JsonEvents::Fail(Status fault) {
  if (fault_.ok()) fault_ = std::move(fault);
  return false;
}

bool JsonEvents::Unexpected(std::string_view what) {
  return Fail(InvalidArgument(fmt::format("{}: {} where none may be", Place(), what)));
}

}  // namespace promptcache
