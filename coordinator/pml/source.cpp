#include "coordinator/pml/source.h"

#include <algorithm>
#include <cstddef>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

size_t CharacterBytes(std::string_view text, size_t at) {
  return std::max<size_t>(1, DecodeUtf8At(text, at).bytes);
}

PmlSource::PmlSource(std::string file, std::string text)
    : file_(std::move(file)),
      text_(std::move(text)),
      lines_{text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0} {
  for (size_t i = 0; i < text_.size(); ++i) {
    const bool lone_cr = text_[i] == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n');
    if (text_[i] == '\n' || lone_cr) lines_.push_back(i + 1);
  }
}

Location PmlSource::At(size_t offset) const {
  offset = std::clamp(offset, begin(), text_.size());
  const auto after = std::upper_bound(lines_.begin(), lines_.end(), offset);
  // Characters are counted by their first bytes: lines may be as long as documents.
  const auto characters =
      std::count_if(text_.begin() + static_cast<std::ptrdiff_t>(*(after - 1)),
                    text_.begin() + static_cast<std::ptrdiff_t>(offset),
                    [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return {.line = static_cast<uint32_t>(after - lines_.begin()),
          .column = static_cast<uint32_t>(characters) + 1};
}

size_t PmlSource::OffsetOfUtf16(uint32_t line, uint32_t column) const {
  if (line == 0 || line > lines_.size()) return text_.size();
  size_t at = lines_[line - 1];
  for (uint32_t unit = 1; unit < column && at < text_.size() && text_[at] != '\n';) {
    const size_t bytes = CharacterBytes(text_, at);
    unit += bytes == 4 ? 2 : 1;
    at += bytes;
  }
  return at;
}

std::string_view PmlSource::Line(uint32_t line) const {
  if (line == 0 || line > lines_.size()) return {};
  const size_t first = lines_[line - 1];
  const size_t end = line < lines_.size() ? lines_[line] : text_.size();
  std::string_view text(text_.data() + first, end - first);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

}  // namespace promptcache
