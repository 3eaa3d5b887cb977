// Directories that go with their commands.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "common/status.h"

namespace promptcache {

// A new directory, removed with all that is in it at the end of its scope.
class TemporaryDirectory {
 public:
  // Named `name` and six characters, in `parent`; empty: where the system puts temporary files.
  // kUnavailable when it cannot be made.
  static Result<TemporaryDirectory> Make(const std::string& name,
                                         std::filesystem::path parent = {});
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~TemporaryDirectory();

  const std::string& path() const { return path_; }
  // It stays; this is its path.
  std::string Keep() { return std::exchange(path_, {}); }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved away, or it stays
};

}  // namespace promptcache
