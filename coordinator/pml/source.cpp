#include "coordinator/pml/source.h"

#include <algorithm>
#include <cstddef>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kStride = 64;  // lines from one mark to the next

// Offset behind the first line break at or behind `at`, or npos.
size_t NextLine(std::string_view text, size_t at) {
  while (at < text.size() && text[at] != '\n' && text[at] != '\r') ++at;
  if (at == text.size()) return std::string_view::npos;
  return at + (text.substr(at).starts_with("\r\n") ? 2 : 1);
}

}  // namespace

size_t CharacterBytes(std::string_view text, size_t at) {
  return std::max<size_t>(1, DecodeUtf8At(text, at).bytes);
}

PmlSource::PmlSource(std::string file, std::string text)
    : file_(std::move(file)),
      text_(std::move(text)),
      marks_{text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0} {
  for (size_t at = NextLine(text_, begin()); at != std::string_view::npos;
       at = NextLine(text_, at)) {
    if (line_count_++ % kStride == 0) marks_.push_back(at);
  }
}

size_t PmlSource::LineBegin(size_t line) const {
  if (line > line_count_) return text_.size();
  size_t at = marks_[(line - 1) / kStride];
  for (size_t n = (line - 1) % kStride; n > 0; --n) at = NextLine(text_, at);
  return at;
}

Location PmlSource::At(size_t offset) const {
  offset = std::clamp(offset, begin(), text_.size());
  const auto mark = std::upper_bound(marks_.begin(), marks_.end(), offset) - 1;
  size_t line = 1 + static_cast<size_t>(mark - marks_.begin()) * kStride;
  size_t line_begin = *mark;
  for (size_t next = NextLine(text_, line_begin); next <= offset;
       next = NextLine(text_, line_begin)) {
    line_begin = next;
    ++line;
  }
  // Characters are counted by their first bytes: lines may be as long as documents.
  const auto characters =
      std::count_if(text_.begin() + static_cast<std::ptrdiff_t>(line_begin),
                    text_.begin() + static_cast<std::ptrdiff_t>(offset),
                    [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return {.line = static_cast<uint32_t>(line), .column = static_cast<uint32_t>(characters) + 1};
}

size_t PmlSource::OffsetOfUtf16(uint32_t line, uint32_t column) const {
  if (line == 0) return text_.size();
  size_t at = LineBegin(line);
  for (uint32_t unit = 1; unit < column && at < text_.size() && text_[at] != '\n';) {
    const size_t bytes = CharacterBytes(text_, at);
    unit += bytes == 4 ? 2 : 1;
    at += bytes;
  }
  return at;
}

std::string_view PmlSource::Line(uint32_t line) const {
  if (line == 0 || line > line_count_) return {};
  const size_t first = LineBegin(line);
  const size_t end = LineBegin(line + size_t{1});
  std::string_view text(text_.data() + first, end - first);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

}  // namespace promptcache
