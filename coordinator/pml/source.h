// A PML document as the author wrote it, and where things are in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace promptcache {

// 1-based; the column counts characters. A byte order mark is not counted.
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
  // Where the document begins: behind a byte order mark.
  size_t begin() const { return marks_[0]; }
  Location At(size_t offset) const;
  // The offset of a line's column given in UTF-16 units, as Xerces-C counts.
  size_t OffsetOfUtf16(uint32_t line, uint32_t column) const;
  // Without its line break.
  std::string_view Line(uint32_t line) const;

 private:
  const std::string file_;
  const std::string text_;
  // Offset at which the line begins, or text().size() when there is none; 1-based.
  size_t LineBegin(size_t line) const;

  // Offsets at which lines 1, 1 + kStride, 1 + 2 * kStride … begin: small even where every
  // character is a line break.
  std::vector<size_t> marks_;
  size_t line_count_ = 1;
};

// Bytes of the character at `at`; a byte that is not UTF-8 counts as a character.
size_t CharacterBytes(std::string_view text, size_t at);

}  // namespace promptcache
