// What a document is told about itself, like a compiler's output.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "coordinator/pml/messages/messages.h"
#include "coordinator/pml/source.h"

namespace promptcache {

// All strings are UTF-8 without control characters, whatever the document holds.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string id;  // of its message, stable: "PML0205"
  std::string file;
  Location location;
  std::string message;
  std::string snippet;  // the source line, or the part of a long one around the column
  uint32_t caret = 0;   // characters of the snippet before the column
};

// The first 20 errors and the first 100 warnings are kept, the others counted. Refers to its
// source.
class Diagnostics {
 public:
  explicit Diagnostics(const PmlSource& source) : source_(source) {}

  static constexpr size_t kMaxErrors = 20;
  static constexpr size_t kMaxWarnings = 100;

  // Says what the message's text says, with `args` in its places, about the source at `offset`.
  template <typename... Args>
  void Report(size_t offset, PmlId id, const Args&... args) {
    const PmlMessage& message = MessageOf(id);
    if (!HasRoom(message)) return;
    Add(offset, message, fmt::vformat(message.text, fmt::make_format_args(args...)));
  }
  const PmlSource& source() const { return source_; }
  bool ok() const { return errors_.empty(); }
  // Further errors are only counted.
  bool full() const { return errors_.size() == kMaxErrors; }
  // For a message that names a second place; 0 when full(), for nobody will read it.
  uint32_t LineOf(size_t offset) const { return full() ? 0 : source_.At(offset).line; }
  const std::vector<Diagnostic>& errors() const { return errors_; }
  const std::vector<Diagnostic>& warnings() const { return warnings_; }
  // "file:line:column: error: message [PML0205]", the source line and a caret, for each; errors
  // first.
  std::string Render() const;
  // OK when there are no errors, or kInvalidArgument with Render()'s text.
  Status ToStatus() const;

 private:
  // Whether another of its severity is kept; counts it otherwise.
  bool HasRoom(const PmlMessage& message);
  void Add(size_t offset, const PmlMessage& message, const std::string& text);
  Diagnostic At(size_t offset, const std::string& message) const;

  const PmlSource& source_;
  std::vector<Diagnostic> errors_;
  std::vector<Diagnostic> warnings_;
  size_t suppressed_ = 0;  // errors
  size_t suppressed_warnings_ = 0;
};

// 'value', cut when it is long: for messages that quote a document.
std::string Quoted(std::string_view value);

}  // namespace promptcache
