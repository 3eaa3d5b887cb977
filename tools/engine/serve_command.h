// `promptcache bench serve --engine model`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace promptcache {

void AddServeCommand(CLI::App& bench, std::function<int()>& run);

}  // namespace promptcache
