// UTF-8 and Unicode white space. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace promptcache {

struct Utf8Character {
  char32_t code = 0;
  uint32_t bytes = 0;  // 0: the bytes are not UTF-8
};

// The character that begins at `at` (REQUIRES: at < text.size()). Overlong forms, surrogates and
// values past U+10FFFF are not UTF-8.
Utf8Character DecodeUtf8At(std::string_view text, size_t at);

// REQUIRES: `code` is a character's.
void AppendUtf8(char32_t code, std::string& out);

// What stands where no character does.
struct Utf8Fault {
  uint32_t bytes = 0;     // that one U+FFFD replaces: Unicode's maximal subpart, at least 1
  bool may_grow = false;  // the text ends here, inside what may still become a character
};
// REQUIRES: DecodeUtf8At(text, at).bytes == 0.
Utf8Fault Utf8FaultAt(std::string_view text, size_t at);

// Offset of the first byte that is not UTF-8, or text.size().
size_t FirstInvalidUtf8(std::string_view text);
inline bool IsUtf8(std::string_view text) { return FirstInvalidUtf8(text) == text.size(); }

// For messages: `text`, or its first whole characters in `bytes` bytes and "...".
std::string AbbreviateUtf8(std::string_view text, size_t bytes);

// Unicode's White_Space property.
bool IsUnicodeSpace(char32_t code);

}  // namespace promptcache
