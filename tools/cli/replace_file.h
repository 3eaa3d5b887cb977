// Files that are never half-written.
#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace promptcache {

// Writes `text` to a new file beside the one that `path` leads to, flushes it to the disk, gives it
// the old one's permissions and puts it in its place. After an error the old file is untouched.
// kInvalidArgument for what is no regular file, kUnavailable otherwise; both name the path and why.
Status ReplaceFile(const std::string& path, std::string_view text);

}  // namespace promptcache
