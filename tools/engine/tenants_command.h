// `promptcache bench tenants`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace promptcache {

void AddTenantsCommand(CLI::App& bench, std::function<int()>& run);

}  // namespace promptcache
