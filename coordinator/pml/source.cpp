#include "coordinator/pml/source.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr size_t kMaxSnippet = 160;  // characters

// Bytes of the character at `at`; a byte that is not UTF-8 counts as a character.
size_t CharacterBytes(std::string_view text, size_t at) {
  return std::max<size_t>(1, DecodeUtf8At(text, at).bytes);
}

}  // namespace

PmlSource::PmlSource(std::string file, std::string text)
    : file_(std::move(file)), text_(std::move(text)), lines_{0} {
  for (size_t i = 0; i < text_.size(); ++i) {
    const bool lone_cr = text_[i] == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n');
    if (text_[i] == '\n' || lone_cr) lines_.push_back(i + 1);
  }
}

Location PmlSource::At(size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto after = std::upper_bound(lines_.begin(), lines_.end(), offset);
  Location location{.line = static_cast<uint32_t>(after - lines_.begin())};
  for (size_t at = *(after - 1); at < offset; at += CharacterBytes(text_, at)) ++location.column;
  return location;
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
  const size_t begin = lines_[line - 1];
  const size_t end = line < lines_.size() ? lines_[line] : text_.size();
  std::string_view text(text_.data() + begin, end - begin);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

void Diagnostics::Error(size_t offset, std::string message) {
  if (full()) {
    ++suppressed_;
    return;
  }
  const Location location = source_.At(offset);
  errors_.push_back({.location = location,
                     .message = std::move(message),
                     .snippet = std::string(source_.Line(location.line))});
}

std::string Diagnostics::Render() const {
  std::string out;
  for (const Diagnostic& error : errors_) {
    const std::string place = source_.file() + ":" + std::to_string(error.location.line) + ":" +
                              std::to_string(error.location.column);
    out += (out.empty() ? "" : "\n") + place + ": error: " + error.message;
    if (error.location.column > kMaxSnippet || error.snippet.size() > 4 * kMaxSnippet) continue;
    std::string caret;
    for (size_t i = 0, column = 1; column < error.location.column && i < error.snippet.size();
         ++column) {
      caret.push_back(error.snippet[i] == '\t' ? '\t' : ' ');
      i += CharacterBytes(error.snippet, i);
    }
    out += "\n  " + error.snippet + "\n  " + caret + "^";
  }
  if (suppressed_ > 0) out += "\n" + std::to_string(suppressed_) + " more errors";
  return out;
}

Status Diagnostics::ToStatus() const { return ok() ? Status() : InvalidArgument(Render()); }

}  // namespace promptcache
