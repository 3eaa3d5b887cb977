#include "common/temporary_directory.h"

#include <stdlib.h>

#include <cerrno>
#include <system_error>

namespace promptcache {

Result<TemporaryDirectory> TemporaryDirectory::Make(const std::string& name,
                                                    std::filesystem::path parent) {
  std::error_code error;
  if (parent.empty()) parent = std::filesystem::temp_directory_path(error);
  std::string path = (parent / (name + ".XXXXXX")).string();
  if (!error && ::mkdtemp(path.data()) == nullptr) error = {errno, std::generic_category()};
  if (!error) return TemporaryDirectory(std::move(path));
  return Unavailable("cannot make a directory in " +
                     (parent.empty() ? "the directory of temporary files" : parent.string()) +
                     ": " + error.message());
}

TemporaryDirectory::~TemporaryDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace promptcache
