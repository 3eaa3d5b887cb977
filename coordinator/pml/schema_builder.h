// From an XML tree to a checked schema. Internal to coordinator/pml.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "coordinator/pml/attributes.h"
#include "coordinator/pml/names.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

// An element and the path of the container around it, for which errors are reported.
struct Spot {
  XmlElement& element;
  const std::string& path;
};

class SchemaBuilder {
 public:
  SchemaBuilder(const PmlLimits& limits, Diagnostics& diagnostics)
      : limits_(limits), diagnostics_(diagnostics) {}

  // Takes the texts out of the tree. Errors go to the diagnostics; the document is meaningful only
  // without them.
  SchemaDocument Build(XmlElement& root);

 private:
  // Names that are taken, as they stand in the tree, with the offsets of their elements.
  using Names = std::unordered_map<std::string_view, size_t>;

  // Of a container; unions are transparent.
  struct Scope {
    SchemaContainer& container;
    Names modules;
    Names params;
  };

  template <typename... Args>
  void Report(const Spot& spot, size_t offset, PmlId id, const Args&... args) {
    diagnostics_.Report(offset, id,
                        ElementPlace(spot.element.name, spot.element.ValueOf("name"), spot.path),
                        args...);
  }

  // Unknown, missing and malformed attributes.
  void CheckAttributes(const Spot& spot);
  void CheckValue(const Spot& spot, const XmlAttribute& attribute, const AttributeRow& row);
  void CheckName(const Spot& spot, const XmlAttribute& name);
  void CheckEmpty(const Spot& spot, PmlId id);
  void CountUnit(const Spot& spot);
  // A module keeps its path, and so does everything that is made of it.
  void CountPath(const Spot& spot, size_t bytes);

  void ReadSchemaAttributes(const XmlElement& root, SchemaDocument& document);
  // What the schema and modules have in common.
  void ReadContainer(const Spot& spot, const SchemaContainer& parent, SchemaContainer& into);
  void ReadChildren(const Spot& spot, SchemaContainer& into);
  void ReadChild(const Spot& child, const XmlElement& parent, Scope& scope);
  std::unique_ptr<SchemaContainer> ReadModule(const Spot& spot, Scope& scope);
  SchemaUnion ReadUnion(const Spot& spot, Scope& scope);
  void ReadUnionScaffold(const Spot& spot, SchemaUnion& group);
  SchemaParam ReadParam(const Spot& spot, Scope& scope);
  void ReadSet(const Spot& spot);
  bool ReadCached(const Spot& spot, const SchemaContainer& parent);
  void TakeName(const Spot& spot, Names& taken, PmlId id);
  void RefuseElement(const Spot& child, const XmlElement& parent);

  const PmlLimits& limits_;
  Diagnostics& diagnostics_;
  uint32_t units_ = 0;
  uint64_t path_bytes_ = 0;              // of the modules and sets so far
  std::vector<const XmlElement*> sets_;  // in document order
};

}  // namespace promptcache
