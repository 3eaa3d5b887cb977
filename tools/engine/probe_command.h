// `promptcache probe`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace promptcache {

// What the command does is put into `run`, which outlives it.
void AddProbeCommand(CLI::App& app, std::function<int()>& run);

}  // namespace promptcache
