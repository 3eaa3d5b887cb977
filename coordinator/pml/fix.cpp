#include "coordinator/pml/fix.h"

#include <algorithm>

#include "coordinator/pml/attributes.h"
#include "coordinator/pml/markup.h"
#include "coordinator/pml/xml_tree.h"

namespace promptcache {
namespace {

bool IsWellFormed(const PmlSource& source) {
  Diagnostics diagnostics(source);
  return ParseXml(source, {}, diagnostics) != nullptr;
}

bool IsSchemaElement(std::string_view name) {
  const auto rows = SchemaAttributes();
  return std::any_of(rows.begin(), rows.end(), [&](const AttributeRow& row) {
    return row.element == CanonicalElement(name);
  });
}

class Fixer {
 public:
  explicit Fixer(std::string_view text) : text_(text) {}

  FixedPml Run() {
    for (size_t at = 0; at < text_.size();) {
      const size_t special = std::min(text_.find_first_of("<&", at), text_.size());
      Keep(at, special - at);
      if (special == text_.size()) break;
      at = special + Take(special);
    }
    return std::move(fixed_);
  }

 private:
  void Keep(size_t at, size_t bytes) { fixed_.text += text_.substr(at, bytes); }

  // What begins at a '<' or '&'; bytes of it.
  size_t Take(size_t at) {
    const size_t markup = text_[at] == '<' ? MarkupAt(at) : ReferenceBytes(at);
    if (markup == 0) {
      fixed_.text += text_[at] == '<' ? "&lt;" : "&amp;";
      fixed_.fixes.push_back({.offset = at, .character = text_[at]});
      return 1;
    }
    Keep(at, markup);
    return markup;
  }

  size_t ReferenceBytes(size_t at) const {
    const auto reference = ReferenceAt(text_, at);
    return reference ? reference->bytes : in_root_ ? 0 : 1;
  }

  // Bytes that are to stay as they are; 0: none. Of a tag it is the '<' alone: there may be a bare
  // '&' in its values.
  size_t MarkupAt(size_t at) {
    if (const size_t bytes = SectionBytes(at, kCommentOpen, kCommentClose)) return bytes;
    if (const size_t bytes = SectionBytes(at, kCDataOpen, kCDataClose)) return bytes;
    if (const auto marker = MarkerAt(text_, at)) return RoleMarkerText(*marker).size();
    if (ReadTag(text_, at, kUnlimited, tag_)) return in_root_ ? 0 : 1;
    if (!in_root_) is_schema_ = tag_.name == "schema";
    in_root_ = true;
    return !is_schema_ || IsSchemaElement(tag_.name) ? 1 : 0;
  }

  size_t SectionBytes(size_t at, std::string_view open, std::string_view close) const {
    if (!text_.substr(at).starts_with(open)) return 0;
    const size_t last = close == kCommentClose ? last_comment_close_ : last_cdata_close_;
    if (last == std::string_view::npos || last < at + open.size()) return 0;
    return text_.find(close, at + open.size()) + close.size() - at;
  }

  const std::string_view text_;
  // What begins behind these has no end, without a search of the rest each time.
  const size_t last_comment_close_ = text_.rfind(kCommentClose);
  const size_t last_cdata_close_ = text_.rfind(kCDataClose);
  FixedPml fixed_;
  Tag tag_;
  bool in_root_ = false;    // before it nothing is text
  bool is_schema_ = false;  // else every name may be a module's
};

}  // namespace

FixedPml FixBareCharacters(const PmlSource& source) {
  if (IsWellFormed(source)) return {.text = std::string(source.text())};
  return Fixer(source.text()).Run();
}

}  // namespace promptcache
