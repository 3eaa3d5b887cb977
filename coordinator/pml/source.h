// A PML document as the author wrote it, and where things are in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace promptcache {

// 1-based; the column counts characters.
struct Location {
  uint32_t line = 1;
  uint32_t column = 1;
  bool operator==(const Location&) const = default;
};

// Immutable bytes with a line table. Offsets are in bytes.
class PmlSource {
 public:
  PmlSource(std::string file, std::string text);

  const std::string& file() const { return file_; }
  std::string_view text() const { return text_; }
  Location At(size_t offset) const;
  // The offset of a line's column given in UTF-16 units, as Xerces-C counts.
  size_t OffsetOfUtf16(uint32_t line, uint32_t column) const;
  // Without its line break.
  std::string_view Line(uint32_t line) const;

 private:
  const std::string file_;
  const std::string text_;
  std::vector<size_t> lines_;  // offset at which each line begins
};

enum class Severity : uint8_t { kError, kWarning };

struct Diagnostic {
  Severity severity = Severity::kError;
  Location location;
  std::string message;
  std::string snippet;  // the source line
};

// What a document is told about itself, like a compiler's output. At most 20 errors are kept.
class Diagnostics {
 public:
  explicit Diagnostics(const PmlSource& source) : source_(source) {}

  static constexpr size_t kMaxErrors = 20;

  void Error(size_t offset, std::string message);
  bool ok() const { return errors_.empty(); }
  // Further errors are only counted.
  bool full() const { return errors_.size() == kMaxErrors; }
  const std::vector<Diagnostic>& errors() const { return errors_; }
  // "file:line:column: error: message", the source line and a caret, for each.
  std::string Render() const;
  // OK, or kInvalidArgument with Render()'s text.
  Status ToStatus() const;

 private:
  const PmlSource& source_;
  std::vector<Diagnostic> errors_;
  size_t suppressed_ = 0;
};

}  // namespace promptcache
