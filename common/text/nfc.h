// Unicode's normal form C.
#pragma once

#include <string>
#include <string_view>

namespace promptcache {

// The text in normal form C: `text` itself where it is so already, else `buffer`, which gets it.
// REQUIRES: UTF-8. O(n log n); what was in normal form is only looked at.
std::string_view Nfc(std::string_view text, std::string& buffer);

}  // namespace promptcache
