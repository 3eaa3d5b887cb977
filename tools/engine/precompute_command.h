// `promptcache precompute`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace promptcache {

// What the command does is put into `run`, which outlives it.
void AddPrecompute(CLI::App& app, std::function<int()>& run);

}  // namespace promptcache
