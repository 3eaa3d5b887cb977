// A well-formed document as a tree, still without meaning. Xerces-C decides what is well-formed;
// text is taken from the source, where it is known which characters were written literally.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/limits.h"
#include "coordinator/pml/source.h"
#include "coordinator/pml/xml_text.h"

namespace promptcache {

struct XmlAttribute {
  std::string name;
  std::string value;
  size_t offset = 0;  // of its name
};

struct XmlElement;
using XmlNode = std::variant<XmlText, std::unique_ptr<XmlElement>>;

struct XmlElement {
  std::string name;
  size_t offset = 0;  // of its '<'
  std::vector<XmlAttribute> attributes;
  std::vector<XmlNode> children;  // no two texts next to each other

  // nullptr when it has none of this name.
  const XmlAttribute* Find(std::string_view attribute) const;
  // Empty when it is missing.
  std::string_view ValueOf(std::string_view attribute) const;
};

// nullptr when `diagnostics` got errors. Thread safe.
std::unique_ptr<XmlElement> ParseXml(const PmlSource& source, const PmlLimits& limits,
                                     Diagnostics& diagnostics);

}  // namespace promptcache
