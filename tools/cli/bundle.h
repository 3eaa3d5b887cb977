// Reads the files that a schema's src attributes name.
#pragma once

#include <string>
#include <vector>

#include "common/source_file.h"
#include "coordinator/pml/sources.h"

namespace promptcache {

// Opens `path` below `folder` and reads it. Neither "..", nor an absolute path, nor a link may lead
// out of the folder, and only regular files are read. kNotFound, kInvalidArgument or kUnavailable,
// saying why.
Result<std::string> ReadBelow(const std::string& folder, const std::string& path,
                              uint64_t max_bytes);

// The files of all src attributes, from `folder`. What cannot be read is reported at its attribute.
std::vector<SourceFile> ReadSources(const SchemaDocument& document, const std::string& folder,
                                    const PmlLimits& limits, Diagnostics& diagnostics);

}  // namespace promptcache
