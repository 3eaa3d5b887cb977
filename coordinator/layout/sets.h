// Scaffold sets of a layout. Internal to coordinator/layout.
#pragma once

#include "coordinator/layout/layout.h"

namespace promptcache {

// Appends the document's sets and their units. Errors go to `diagnostics`: more than `max_tokens`
// tokens, contexts included, in all sets together. REQUIRES: the containers have their units; the
// sets' members exist.
void MakeSets(const SchemaDocument& document, uint64_t max_tokens, Layout& layout,
              Diagnostics& diagnostics);

}  // namespace promptcache
