// From an XML tree to a checked schema. Internal to coordinator/pml.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "coordinator/pml/schema.h"

namespace promptcache {

// Names already taken in a scope, unions being transparent.
using NameScope = std::set<std::string>;

class SchemaBuilder {
 public:
  SchemaBuilder(const PmlLimits& limits, Diagnostics& diagnostics)
      : limits_(limits), diagnostics_(diagnostics) {}

  // Errors go to the diagnostics; the document is meaningful only without them.
  SchemaDocument Build(const XmlElement& root);

 private:
  void ReadSchemaAttributes(const XmlElement& element, SchemaDocument& document);
  void ReadChildren(const XmlElement& element, const std::string& path, SchemaContainer& into);
  std::unique_ptr<SchemaContainer> ReadModule(const XmlElement& element, const std::string& path,
                                              bool parent_is_cached, NameScope& scope);
  SchemaUnion ReadUnion(const XmlElement& element, const std::string& path, bool parent_is_cached,
                        NameScope& scope);
  SchemaParam ReadParam(const XmlElement& element, const std::string& path, NameScope& scope);
  std::string ReadName(const XmlElement& element, const std::string& path);
  // Reports attributes that the element does not have, and those that are not supported yet.
  void CheckAttributes(const XmlElement& element, const std::string& path);
  void UnknownElement(const XmlElement& element, const std::string& path);
  void Error(const XmlElement& element, const std::string& path, const std::string& message);

  const PmlLimits& limits_;
  Diagnostics& diagnostics_;
  uint32_t units_ = 0;
};

}  // namespace promptcache
