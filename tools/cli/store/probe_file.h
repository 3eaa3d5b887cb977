// A pack's probe as a JSON file.
#pragma once

#include <string>

#include "cachestore/pack/pack.h"

namespace promptcache {

// {"model", "identity": {..}, "schema": {"path", "text"}, "sources": [{"path", "text"}],
//  "max_tokens", "prompt", "expected": [ids]}. kInvalidArgument naming the file and what is wrong.
Result<PackProbe> ReadProbeFile(const std::string& path);
std::string ProbeText(const PackProbe& probe);

}  // namespace promptcache
