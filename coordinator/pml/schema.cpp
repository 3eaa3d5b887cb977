#include "coordinator/pml/schema.h"

#include "coordinator/pml/schema_builder.h"

namespace promptcache {

Result<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits) {
  Diagnostics diagnostics(source);
  const std::unique_ptr<XmlElement> tree = ParseXml(source, limits, diagnostics);
  if (!tree) return diagnostics.ToStatus();
  SchemaDocument document = SchemaBuilder(limits, diagnostics).Build(*tree);
  if (!diagnostics.ok()) return diagnostics.ToStatus();
  return document;
}

}  // namespace promptcache
