#include "coordinator/pml/xml_text.h"

#include <algorithm>

#include "common/text/utf8.h"
#include "coordinator/pml/markup.h"

namespace promptcache {
namespace {

// Appends `raw` with its line breaks, CR LF and CR too, as LF, as XML demands; the part appended.
std::string_view AppendWithLineFeeds(std::string_view raw, std::string& out) {
  const size_t before = out.size();
  for (size_t at = 0; at < raw.size();) {
    const size_t cr = std::min(raw.find('\r', at), raw.size());
    out += raw.substr(at, cr - at);
    at = cr + 1;
    if (cr < raw.size() && (at == raw.size() || raw[at] != '\n')) out.push_back('\n');
  }
  return std::string_view(out).substr(before);
}

}  // namespace

size_t LeadingSpace(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Character character = DecodeUtf8At(text, at);
    if (!IsUnicodeSpace(character.code)) break;
    at += character.bytes;
  }
  return at;
}

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

TextSpan& XmlText::LastText() {
  if (spans.empty() || spans.back().marker) spans.emplace_back();
  return spans.back();
}

void XmlText::AppendRaw(std::string_view raw, size_t offset) {
  LastText().text.reserve(LastText().text.size() + raw.size());
  for (size_t at = 0; at < raw.size();) {
    const auto reference = raw[at] == '&' ? ReferenceAt(raw, at) : std::nullopt;
    if (reference) {
      AppendUtf8(reference->code, BeginVerbatim(offset + at).text);
      at += reference->bytes;
    } else {
      const size_t next = std::min(raw.find('&', at + 1), raw.size());
      AppendLiteral(raw.substr(at, next - at), offset + at);
      at = next;
    }
  }
}

void XmlText::AppendCData(std::string_view raw, size_t offset) {
  AppendWithLineFeeds(raw, BeginVerbatim(offset).text);
}

void XmlText::AppendMarker(RoleMarker marker, size_t offset) {
  if (!content_offset) content_offset = offset;
  spans.push_back({.marker = marker, .only_space = false});
}

void XmlText::AppendLiteral(std::string_view raw, size_t offset) {
  TextSpan& span = LastText();
  const std::string_view text = AppendWithLineFeeds(raw, span.text);
  const size_t head = LeadingSpace(text);
  const bool is_space = head == text.size();
  if (span.only_space) span.head_space += head;
  if (!is_space) {
    // Line breaks before the first character may be longer in the document than here.
    if (!content_offset) content_offset = offset + LeadingSpace(raw);
    span.only_space = false;
  }
  span.tail_space = is_space ? span.tail_space + text.size() : TrailingSpace(text);
}

TextSpan& XmlText::BeginVerbatim(size_t offset) {
  TextSpan& span = LastText();
  if (!content_offset) content_offset = offset;
  span.only_space = false;
  span.tail_space = 0;
  return span;
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
