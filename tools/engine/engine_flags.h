// What the commands that compute have in common.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/engine/embedded.h"

namespace promptcache {

// --model, --device, --dtype, --store-compression, --threads.
void AddEngineFlags(CLI::App& command, EmbeddedOptions& options);

}  // namespace promptcache
