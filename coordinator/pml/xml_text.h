// The text between two tags, with what is known of each character: written literally, or not.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/text/templates.h"

namespace promptcache {

// A role marker, or the text up to the next one.
struct TextSpan {
  std::optional<RoleMarker> marker;
  std::string text;        // references replaced, line breaks as LF; empty for a marker
  size_t head_space = 0;   // bytes of white space at the front that was written literally
  size_t tail_space = 0;   // and at the back
  bool only_space = true;  // nothing but literal white space
};

// Comments do not split it. Never without spans once something was appended.
struct XmlText {
  std::vector<TextSpan> spans;
  // Of the first thing that is not literal white space; nullopt for a blank text.
  std::optional<size_t> content_offset;

  bool blank() const { return !content_offset.has_value(); }

  // `raw` as it stands in the document at `offset`, references in it not yet replaced. The XML
  // parser has accepted it.
  void AppendRaw(std::string_view raw, size_t offset);
  // The inside of a CDATA section.
  void AppendCData(std::string_view raw, size_t offset);
  void AppendMarker(RoleMarker marker, size_t offset);
  // Written as it is, nothing in it being markup.
  void AppendLiteral(std::string_view raw, size_t offset);
  // A text that follows directly, as if both had been written as one.
  void Append(const XmlText& next);

 private:
  // Where text goes whose white space is not literal.
  TextSpan& BeginVerbatim(size_t offset);
  TextSpan& LastText();
};

// Bytes of Unicode white space at the front and at the back.
size_t LeadingSpace(std::string_view text);
size_t TrailingSpace(std::string_view text);

}  // namespace promptcache
