// From an XML tree to a checked schema. Internal to coordinator/pml.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/pml/schema.h"

namespace promptcache {

// Names already taken in a scope, unions being transparent.
using NameScope = std::set<std::string>;

enum class Support : uint8_t { kYes, kNotYet };

// One value of an attribute.
template <typename T>
struct Choice {
  const char* name;
  T value;
  Support support = Support::kYes;
};

class SchemaBuilder {
 public:
  SchemaBuilder(const PmlLimits& limits, Diagnostics& diagnostics)
      : limits_(limits), diagnostics_(diagnostics) {}

  // Errors go to the diagnostics; the document is meaningful only without them.
  SchemaDocument Build(const XmlElement& root);

 private:
  // Reads an attribute of the schema that has one of a few values.
  template <typename T>
  void ReadChoice(const XmlElement& element, std::string_view attribute,
                  std::span<const Choice<T>> choices, T& value);
  void ReadSchemaAttributes(const XmlElement& element, SchemaDocument& document);
  void ReadChildren(const XmlElement& element, const std::string& path, SchemaContainer& into);
  std::unique_ptr<SchemaContainer> ReadModule(const XmlElement& element, const std::string& path,
                                              bool parent_is_cached, NameScope& scope);
  SchemaUnion ReadUnion(const XmlElement& element, const std::string& path, bool parent_is_cached,
                        NameScope& scope);
  SchemaParam ReadParam(const XmlElement& element, const std::string& path, NameScope& scope);
  uint32_t ReadLength(const XmlElement& element, const std::string& path, const std::string& name);
  bool ReadCached(const XmlElement& element, const std::string& path, bool parent_is_cached);
  std::string ReadName(const XmlElement& element, const std::string& path);
  // Reports attributes that the element does not have, and those that are not supported yet.
  void CheckAttributes(const XmlElement& element, const std::string& path);
  void UnknownElement(const XmlElement& element, const std::string& path);

  // Where and about what an error is; `path` is that of the enclosing container.
  struct Place {
    size_t offset = 0;
    const XmlElement& element;
    const std::string& path;
  };
  static Place At(const XmlElement& element, const std::string& path) {
    return {element.offset, element, path};
  }
  static Place At(const XmlAttribute& attribute, const XmlElement& element,
                  const std::string& path) {
    return {attribute.offset, element, path};
  }
  void Error(const Place& place, std::string_view id, const std::string& message);

  const PmlLimits& limits_;
  Diagnostics& diagnostics_;
  uint32_t units_ = 0;
};

}  // namespace promptcache
