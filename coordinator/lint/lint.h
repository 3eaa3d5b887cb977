// `schema lint`: what is allowed and probably not meant (design of PML, section 6).
#pragma once

#include "coordinator/layout/layout.h"
#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

struct LintOptions {
  uint32_t context_length = 0;     // of the model; 0: unknown
  uint32_t min_module_tokens = 8;  // a smaller unit costs more to keep than to compute
  uint32_t wasted_positions = 64;  // of a union, from which on they are worth a warning
};

// Warnings go to `diagnostics`, of the document's source. `layout` is the document's. Pure.
void Lint(const SchemaDocument& document, const Layout& layout, const LintOptions& options,
          Diagnostics& diagnostics);

}  // namespace promptcache
