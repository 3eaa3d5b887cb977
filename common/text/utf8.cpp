#include "common/text/utf8.h"

#include <cstring>

namespace promptcache {

namespace {

// What may follow a first byte; later bytes are 0x80 to 0xBF. The ranges of the second exclude
// overlong forms, surrogates and values past U+10FFFF.
struct Lead {
  uint32_t bytes = 0;  // of the character; 0: no character begins so
  uint8_t second_low = 0x80;
  uint8_t second_high = 0xBF;
};

Lead LeadOf(uint8_t first) {
  if (first < 0x80) return {1};
  if (first >= 0xC2 && first <= 0xDF) return {2};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {3};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  if (first >= 0xF1 && first <= 0xF3) return {4};
  return {};
}

// How many bytes at `at` fit the lead that stands there, at most lead.bytes.
uint32_t FittingBytes(const Lead& lead, std::string_view text, size_t at) {
  uint32_t fitting = lead.bytes == 0 ? 0 : 1;
  while (fitting < lead.bytes && at + fitting < text.size()) {
    const auto byte = static_cast<uint8_t>(text[at + fitting]);
    const uint8_t low = fitting == 1 ? lead.second_low : 0x80;
    const uint8_t high = fitting == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) break;
    ++fitting;
  }
  return fitting;
}

}  // namespace

Utf8Character DecodeUtf8At(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  const Lead lead = LeadOf(first);
  if (lead.bytes == 0 || FittingBytes(lead, text, at) < lead.bytes) return {};
  if (lead.bytes == 1) return {first, 1};
  char32_t code = first & (0x7Fu >> lead.bytes);
  for (uint32_t i = 1; i < lead.bytes; ++i) {
    code = code << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3F);
  }
  return {code, lead.bytes};
}

Utf8Fault Utf8FaultAt(std::string_view text, size_t at) {
  const uint32_t fitting = FittingBytes(LeadOf(static_cast<uint8_t>(text[at])), text, at);
  if (fitting == 0) return {1, false};
  return {fitting, at + fitting == text.size()};
}

void AppendUtf8(char32_t code, std::string& out) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  const int continuations = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const uint32_t lead = continuations == 1 ? 0xC0 : continuations == 2 ? 0xE0 : 0xF0;
  out.push_back(static_cast<char>(lead | code >> 6 * continuations));
  for (int i = continuations - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(0x80 | (code >> 6 * i & 0x3F)));
  }
}

size_t FirstInvalidUtf8(std::string_view text) {
  constexpr uint64_t kNotAscii = 0x8080808080808080;
  size_t at = 0;
  while (at < text.size()) {
    uint64_t eight = 0;
    if (text.size() - at >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + at, sizeof(eight));
      if ((eight & kNotAscii) == 0) {
        at += sizeof(eight);
        continue;
      }
    }
    const Utf8Character character = DecodeUtf8At(text, at);
    if (character.bytes == 0) return at;
    at += character.bytes;
  }
  return at;
}

std::string AbbreviateUtf8(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && (static_cast<uint8_t>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return std::string(text.substr(0, bytes)) + "...";
}

bool IsUnicodeSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace promptcache
