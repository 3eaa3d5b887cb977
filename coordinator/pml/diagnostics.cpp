#include "coordinator/pml/diagnostics.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace promptcache {
namespace {

constexpr size_t kSnippetBefore = 60;  // characters of a long line that are shown
constexpr size_t kSnippetAfter = 60;
constexpr size_t kLongestQuote = 80;
constexpr std::string_view kReplacement = "\uFFFD";

// As it may be written to a terminal or into JSON: a tab is a space, other control characters and
// bytes that are not UTF-8 are replacement characters. Every character stays one character.
std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = DecodeUtf8At(text, at);
    const bool control = character.code < 0x20 || (character.code >= 0x7F && character.code < 0xA0);
    if (character.bytes == 1 && text[at] == '\t') {
      out.push_back(' ');
    } else if (character.bytes == 0 || control) {
      out += kReplacement;
    } else {
      out += text.substr(at, character.bytes);
    }
    at += std::max(1U, character.bytes);
  }
  return out;
}

// The first `count` characters.
std::string_view FirstCharacters(std::string_view text, size_t count) {
  size_t at = 0;
  while (count-- > 0 && at < text.size()) at += CharacterBytes(text, at);
  return text.substr(0, at);
}

// The part of a line around an offset in it.
void SetSnippet(std::string_view line, size_t offset, Diagnostic& diagnostic) {
  size_t begin = std::min(offset, line.size());
  size_t before = 0;
  for (; begin > 0 && before < kSnippetBefore; ++before) {
    do --begin;
    while (begin > 0 && (static_cast<unsigned char>(line[begin]) & 0xC0) == 0x80);
  }
  diagnostic.caret = static_cast<uint32_t>(before);
  line.remove_prefix(begin);
  diagnostic.snippet = Printable(FirstCharacters(line, before + kSnippetAfter));
}

}  // namespace

Diagnostic Diagnostics::At(size_t offset, const std::string& message) const {
  Diagnostic diagnostic{.file = Printable(source_.file()),
                        .location = source_.At(offset),
                        .message = Printable(message)};
  const std::string_view line = source_.Line(diagnostic.location.line);
  const auto line_begin = static_cast<size_t>(line.data() - source_.text().data());
  SetSnippet(line, std::max(offset, line_begin) - line_begin, diagnostic);
  return diagnostic;
}

bool Diagnostics::HasRoom(const PmlMessage& message) {
  const bool is_error = message.severity == Severity::kError;
  if (is_error ? errors_.size() < kMaxErrors : warnings_.size() < kMaxWarnings) return true;
  ++(is_error ? suppressed_ : suppressed_warnings_);
  return false;
}

void Diagnostics::Add(size_t offset, const PmlMessage& message, const std::string& text) {
  Diagnostic diagnostic = At(offset, text);
  diagnostic.severity = message.severity;
  diagnostic.id = PmlIdName(message.id);
  (message.severity == Severity::kError ? errors_ : warnings_).push_back(std::move(diagnostic));
}

std::string Diagnostics::Render() const {
  std::string out;
  const auto append = [&](const std::vector<Diagnostic>& all, std::string_view severity) {
    for (const Diagnostic& one : all) {
      out += fmt::format("{}{}:{}:{}: {}: {} [{}]\n  {}\n  {:{}}^", out.empty() ? "" : "\n",
                         one.file, one.location.line, one.location.column, severity, one.message,
                         one.id, one.snippet, "", one.caret);
    }
  };
  const auto count = [&](size_t suppressed, std::string_view severity) {
    if (suppressed > 0) out += fmt::format("\n{} more {}s", suppressed, severity);
  };
  append(errors_, "error");
  count(suppressed_, "error");
  append(warnings_, "warning");
  count(suppressed_warnings_, "warning");
  return out;
}

Status Diagnostics::ToStatus() const { return ok() ? Status() : InvalidArgument(Render()); }

std::string Quoted(std::string_view value) {
  const std::string_view head = FirstCharacters(value, kLongestQuote);
  return "'" + std::string(head) + (head.size() < value.size() ? "…'" : "'");
}

}  // namespace promptcache
