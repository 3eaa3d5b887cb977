#include "cachestore/disk/environment.h"

#include <filesystem>

namespace promptcache::internal {

Result<uint64_t> FreeBytes(const std::string& directory) {
  std::error_code error;
  const auto space = std::filesystem::space(directory, error);
  if (error) return Unavailable("free space of " + directory + ": " + error.message());
  return static_cast<uint64_t>(space.available);
}

}  // namespace promptcache::internal
