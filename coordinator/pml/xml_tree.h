// A well-formed document as a tree, still without meaning. Xerces-C decides what is well-formed;
// text is taken from the source, where it is known which characters were written literally.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/text/templates.h"
#include "coordinator/pml/source.h"

namespace promptcache {

enum class SpanKind : uint8_t {
  kLiteral,   // white space at the edges of a text may be compacted
  kVerbatim,  // CDATA and references: kept as they are
  kMarker,    // a role marker, without text until a template is known
};

struct TextSpan {
  SpanKind kind = SpanKind::kLiteral;
  std::string text;
  RoleMarker marker = RoleMarker::kSystemOpen;  // kMarker only
  size_t offset = 0;
};

// Everything between two tags; comments do not split it. Never empty.
struct XmlText {
  std::vector<TextSpan> spans;
  size_t offset = 0;

  // Only literal white space: no marker, no verbatim text.
  bool blank() const;
  // Offset of the first thing that is not literal white space. REQUIRES: !blank().
  size_t content_offset() const;
};

struct XmlAttribute {
  std::string name;
  std::string value;
};

struct XmlElement;
using XmlNode = std::variant<XmlText, std::unique_ptr<XmlElement>>;

struct XmlElement {
  std::string name;
  size_t offset = 0;  // of its '<'
  std::vector<XmlAttribute> attributes;
  std::vector<XmlNode> children;
};

struct PmlLimits {
  uint64_t document_bytes = uint64_t{64} << 20;
  uint32_t depth = 64;
  uint32_t elements = 100'000;
  uint32_t attributes = 64;  // of one element
  uint32_t name_bytes = 256;
  uint64_t attribute_bytes = 1 << 20;
  uint32_t units = 65'536;  // of a schema
};

// nullptr when `diagnostics` got errors. Thread safe.
std::unique_ptr<XmlElement> ParseXml(const PmlSource& source, const PmlLimits& limits,
                                     Diagnostics& diagnostics);

}  // namespace promptcache
