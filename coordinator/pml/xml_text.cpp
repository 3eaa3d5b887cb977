#include "coordinator/pml/xml_text.h"

#include <algorithm>
#include <charconv>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

// Bytes of white space at the front.
size_t LeadingSpace(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Character character = DecodeUtf8At(text, at);
    if (!IsUnicodeSpace(character.code)) break;
    at += character.bytes;
  }
  return at;
}

// Bytes of white space at the back.
size_t TrailingSpace(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t at = end - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    if (!IsUnicodeSpace(DecodeUtf8At(text, at).code)) break;
    end = at;
  }
  return text.size() - end;
}

void AppendUtf8(uint32_t code, std::string& out) {
  const auto continuation = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | (code >> shift & 0x3F)));
  };
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code >> 6));
    continuation(0);
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code >> 12));
    continuation(6);
    continuation(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | code >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

// The character of "#x41", "#65", "lt" ...
uint32_t ReferenceCode(std::string_view name) {
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "amp") return '&';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  uint32_t code = 0xFFFD;
  const bool hex = name.starts_with("#x");
  const std::string_view digits = name.substr(std::min<size_t>(hex ? 2 : 1, name.size()));
  std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  return code;
}

// CR LF and CR become LF, as XML demands.
std::string WithLineFeeds(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\r') {
      out.push_back(raw[i]);
    } else if (i + 1 == raw.size() || raw[i + 1] != '\n') {
      out.push_back('\n');
    }
  }
  return out;
}

}  // namespace

TextSpan& XmlText::LastText() {
  if (spans.empty() || spans.back().marker) spans.emplace_back();
  return spans.back();
}

void XmlText::AppendRaw(std::string_view raw, size_t offset) {
  for (size_t at = 0; at < raw.size();) {
    const size_t end = raw[at] == '&' ? raw.find(';', at) : std::string_view::npos;
    if (end != std::string_view::npos) {
      std::string character;
      AppendUtf8(ReferenceCode(raw.substr(at + 1, end - at - 1)), character);
      AppendVerbatim(character, offset + at);
      at = end + 1;
    } else {
      const size_t next = std::min(raw.find('&', at + 1), raw.size());
      AppendLiteral(raw.substr(at, next - at), offset + at);
      at = next;
    }
  }
}

void XmlText::AppendCData(std::string_view raw, size_t offset) {
  AppendVerbatim(WithLineFeeds(raw), offset);
}

void XmlText::AppendMarker(RoleMarker marker, size_t offset) {
  if (!content_offset) content_offset = offset;
  spans.push_back({.marker = marker, .only_space = false});
}

void XmlText::AppendLiteral(std::string_view raw, size_t offset) {
  TextSpan& span = LastText();
  const std::string text = WithLineFeeds(raw);
  const size_t head = LeadingSpace(text);
  const bool is_space = head == text.size();
  if (span.only_space) span.head_space += head;
  if (!is_space) {
    // Line breaks before the first character may be longer in the document than here.
    if (!content_offset) content_offset = offset + LeadingSpace(raw);
    span.only_space = false;
  }
  span.tail_space = is_space ? span.tail_space + text.size() : TrailingSpace(text);
  span.text += text;
}

void XmlText::AppendVerbatim(std::string_view text, size_t offset) {
  TextSpan& span = LastText();
  if (!content_offset) content_offset = offset;
  span.only_space = false;
  span.tail_space = 0;
  span.text += text;
}

void XmlText::Append(const XmlText& next) {
  if (!content_offset) content_offset = next.content_offset;
  for (const TextSpan& span : next.spans) {
    if (span.marker || spans.empty() || spans.back().marker) {
      spans.push_back(span);
      continue;
    }
    TextSpan& last = spans.back();
    if (last.only_space) last.head_space += span.head_space;
    last.tail_space = span.tail_space + (span.only_space ? last.tail_space : 0);
    last.only_space = last.only_space && span.only_space;
    last.text += span.text;
  }
}

}  // namespace promptcache
