// `promptcache bench fidelity`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace promptcache {

// What the command does is put into `run`, which outlives it.
void AddFidelityCommand(CLI::App& bench, std::function<int()>& run);

}  // namespace promptcache
