// What the commands that compute have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>

#include "common/status.h"
#include "tools/engine/embedded.h"

namespace promptcache {

// --model, --device, --dtype, --store-compression, --threads.
void AddEngineFlags(CLI::App& command, EmbeddedOptions& options);

// A directory for what a command stores, gone with it.
class ScratchDirectory {
 public:
  // kUnavailable when it cannot be made.
  static Result<ScratchDirectory> Make();
  ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~ScratchDirectory();

  const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved away
};

}  // namespace promptcache
