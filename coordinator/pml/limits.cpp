#include "coordinator/pml/limits.h"

namespace promptcache {
namespace {

PmlLimits LimitsOf(const CoordinatorSettings& settings, int64_t document_bytes) {
  return {.document_bytes = static_cast<uint64_t>(document_bytes),
          .depth = static_cast<uint32_t>(settings.pml_depth),
          .elements = static_cast<uint32_t>(settings.pml_elements),
          .attributes = static_cast<uint32_t>(settings.pml_attributes),
          .name_bytes = static_cast<uint32_t>(settings.pml_name_bytes),
          .attribute_bytes = static_cast<uint64_t>(settings.pml_attribute_bytes),
          .units = static_cast<uint32_t>(settings.pml_units),
          .set_tokens = static_cast<uint64_t>(settings.pml_set_tokens),
          .pieces = static_cast<uint32_t>(settings.pml_pieces)};
}

}  // namespace

PmlLimits SchemaLimitsOf(const CoordinatorSettings& settings) {
  return LimitsOf(settings, settings.max_schema_bytes);
}

PmlLimits PromptLimitsOf(const CoordinatorSettings& settings) {
  return LimitsOf(settings, settings.max_prompt_bytes);
}

}  // namespace promptcache
