// The options of a request, the same for `submit`, `run` and `plan`.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cluster/client/client.h"
#include "cluster/wire/messages.h"

namespace promptcache {

// What is reused, and what of it is computed again.
struct ReuseFlags {
  bool no_cache = false;
  bool contiguous = false;
  std::string repair;          // empty: the coordinator's default
  uint32_t linked_tokens = 0;  // 0: the coordinator's default

  // Adds --no-cache, --contiguous, --repair and --linked-tokens to a command.
  void AddTo(CLI::App& command);
  ReuseMode mode() const;
  // --linked-tokens alone means linked. REQUIRES: the command line was accepted.
  std::optional<Repair> wanted_repair() const;
};

struct GenerationFlags {
  GenerationOptions options;
  std::string model;
  ReuseFlags reuse;
  double deadline_seconds = 600;
  uint32_t priority = 0;

  // Adds --max-new-tokens, --temperature, --no-cache, ... to a command.
  void AddTo(CLI::App& command);
  // Adds --priority, for commands whose requests may wait beside others.
  void AddPriorityTo(CLI::App& command);
  struct Submit ToSubmit(std::string prompt) const;
  SubmitOptions ToOptions() const;
};

}  // namespace promptcache
