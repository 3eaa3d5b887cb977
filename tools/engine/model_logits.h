// `promptcache model logits`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace promptcache {

// Sets `run` when the user chose it.
void AddModelLogits(CLI::App& app, std::function<int()>& run);

}  // namespace promptcache
