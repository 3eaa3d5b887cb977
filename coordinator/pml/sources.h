// Text from other files: `src`. Whoever sends a schema reads the files and sends their bytes along;
// nothing here opens a path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/source_file.h"
#include "coordinator/pml/diagnostics.h"
#include "coordinator/pml/schema.h"

namespace promptcache {

// The paths that the document's src attributes name, each once, in document order.
std::vector<std::string> SourcePaths(const SchemaDocument& document);

// Empty when `path` may be a src, else why not: relative, "/" between names, no empty name, no "."
// or "..", no backslash, no control character, at most 4096 bytes.
std::string WhyNotASourcePath(std::string_view path);
// Whether it is absolute or has a "..".
bool LeavesItsFolder(std::string_view path);

// Says at each src with this path why its file cannot be read.
void ReportSource(const SchemaDocument& document, std::string_view path, const std::string& why,
                  Diagnostics& diagnostics);

// Gives each container with a src its file's text, line breaks as LF, without a byte order mark.
// Errors at the attribute: no such file among `files`, not UTF-8. At the root: a file that nobody
// asked for, documents and files together over the limit of a document.
void AttachSources(const std::vector<SourceFile>& files, const PmlLimits& limits,
                   SchemaDocument& document, Diagnostics& diagnostics);

}  // namespace promptcache
