// Schemas as a model sees them: laid out as a registration would, and in the variants that a
// manifest asks for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/served_model.h"
#include "tools/precompute/manifest.h"

namespace promptcache {

struct Layout;

// Immutable.
struct CompiledSchema {
  std::string name;
  std::string version;  // of the document as it is, also for variants of it
  std::shared_ptr<const Layout> layout;
};

// One for each encoding and way of positions that `schema` asks for. kInvalidArgument with the
// document's errors, for a parameter that it does not have, and for a text that does not fit its
// slot; kNotFound or kUnavailable when a file cannot be read.
Result<std::vector<CompiledSchema>> CompileVariants(const ManifestSchema& schema,
                                                    const ServedModel& model);

}  // namespace promptcache
