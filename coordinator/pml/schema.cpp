#include "coordinator/pml/schema.h"

#include "coordinator/pml/schema_builder.h"

namespace promptcache {

std::optional<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits,
                                          Diagnostics& diagnostics) {
  const std::unique_ptr<XmlElement> tree = ParseXml(source, limits, diagnostics);
  if (!tree) return std::nullopt;
  SchemaDocument document = SchemaBuilder(limits, diagnostics).Build(*tree);
  if (!diagnostics.ok()) return std::nullopt;
  return document;
}

Result<SchemaDocument> ParseSchema(const PmlSource& source, const PmlLimits& limits) {
  Diagnostics diagnostics(source);
  auto document = ParseSchema(source, limits, diagnostics);
  if (!document) return diagnostics.ToStatus();
  return *std::move(document);
}

}  // namespace promptcache
