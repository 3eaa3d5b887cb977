// The options of a request, the same for `submit`, `run` and `plan`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cluster/client/client.h"
#include "cluster/wire/messages.h"

namespace promptcache {

struct GenerationFlags {
  GenerationOptions options;
  std::string model;
  bool no_cache = false;
  bool contiguous = false;
  double deadline_seconds = 600;

  // Adds --max-new-tokens, --temperature, --no-cache, ... to a command.
  void AddTo(CLI::App& command);
  ReuseMode reuse() const;
  struct Submit ToSubmit(std::string prompt) const;
  SubmitOptions ToOptions() const;
};

}  // namespace promptcache
