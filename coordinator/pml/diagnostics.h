// What a document is told about itself, like a compiler's output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "coordinator/pml/source.h"

namespace promptcache {

enum class Severity : uint8_t { kError, kWarning };

// All strings are UTF-8 without control characters, whatever the document holds.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string id;  // of the kind of error, stable: "unknown-attribute"
  std::string file;
  Location location;
  std::string message;
  std::string snippet;  // the source line, or the part of a long one around the column
  uint32_t caret = 0;   // characters of the snippet before the column
};

// The first 20 errors are kept, the others counted. Refers to its source.
class Diagnostics {
 public:
  explicit Diagnostics(const PmlSource& source) : source_(source) {}

  static constexpr size_t kMaxErrors = 20;

  void Error(size_t offset, std::string_view id, const std::string& message);
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

// 'value', cut when it is long: for messages that quote a document.
std::string Quoted(std::string_view value);

}  // namespace promptcache
