// `promptcache bench loadpath`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace promptcache {

// What the command does is put into `run`, which outlives it.
void AddLoadPathCommand(CLI::App& bench, std::function<int()>& run);

}  // namespace promptcache
