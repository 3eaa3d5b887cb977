// The parts of Lint, by what they look at. Internal to coordinator/lint.
#pragma once

#include "coordinator/lint/lint.h"

namespace promptcache::internal {

// Sizes and positions: small modules, long scaffolds, unions that waste room, the context's limit.
void LintSizes(const Layout& layout, const LintOptions& options, Diagnostics& diagnostics);
// Order and balance of role markers through the schema.
void LintRoles(const SchemaDocument& document, Diagnostics& diagnostics);
// Names, empty modules, members that differ by white space only, text in front of the modules.
void LintNames(const SchemaDocument& document, Diagnostics& diagnostics);

}  // namespace promptcache::internal
