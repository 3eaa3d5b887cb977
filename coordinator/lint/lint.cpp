#include "coordinator/lint/lint.h"

#include "coordinator/lint/lint_checks.h"

namespace promptcache {

void Lint(const SchemaDocument& document, const Layout& layout, const LintOptions& options,
          Diagnostics& diagnostics) {
  internal::LintRoles(document, diagnostics);
  internal::LintNames(document, diagnostics);
  internal::LintSizes(layout, options, diagnostics);
}

}  // namespace promptcache
