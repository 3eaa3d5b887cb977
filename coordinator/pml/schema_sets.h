// Scaffold sets against the modules they name. Internal to coordinator/pml.
#pragma once

#include <vector>

#include "coordinator/pml/schema.h"

namespace promptcache {

// Appends the sets of the <scaffold> elements to the document, whose containers are complete.
// Elements whose attribute is missing or malformed are left out. Errors: fewer than two members, a
// path without a module, a member named twice, two that are never imported together, an uncached
// one.
void ReadSets(const std::vector<const XmlElement*>& elements, SchemaDocument& document,
              Diagnostics& diagnostics);

}  // namespace promptcache
