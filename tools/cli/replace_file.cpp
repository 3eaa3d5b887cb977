#include "tools/cli/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace promptcache {
namespace {

namespace fs = std::filesystem;

Status WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(file, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Unavailable(std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(wrote));
  }
  return ::fsync(file) == 0 ? Status() : Unavailable(std::strerror(errno));
}

mode_t ModeFor(const std::string& path) {
  struct stat old {};
  if (::stat(path.c_str(), &old) == 0) return old.st_mode & 07777;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

// So that the new name survives a loss of power.
Status SyncFolder(const fs::path& folder) {
  const int open = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (open < 0) return Unavailable("cannot open " + folder.string() + ": " + std::strerror(errno));
  const bool synced = ::fsync(open) == 0;
  const int error = errno;
  ::close(open);
  if (synced) return {};
  return Unavailable("cannot flush " + folder.string() + ": " + std::strerror(error));
}

}  // namespace

Status ReplaceFile(const std::string& path, std::string_view text) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(path, error);  // links stay links
  if (error) return Unavailable("cannot write " + path + ": " + error.message());
  if (fs::exists(target, error) && !fs::is_regular_file(target, error)) {
    return InvalidArgument("cannot replace " + path + ": it is not a regular file");
  }
  std::string temporary = target.string() + ".XXXXXX";
  const int file = ::mkstemp(temporary.data());
  if (file < 0) return Unavailable("cannot write beside " + path + ": " + std::strerror(errno));
  Status status = WriteAll(file, text);
  if (status.ok() && ::fchmod(file, ModeFor(target)) != 0) {
    status = Unavailable(std::strerror(errno));
  }
  ::close(file);
  if (status.ok() && std::rename(temporary.c_str(), target.c_str()) != 0) {
    status = Unavailable(std::strerror(errno));
  }
  if (status.ok()) return SyncFolder(target.parent_path());
  ::unlink(temporary.c_str());
  return Unavailable("cannot write " + path + ": " + status.message());
}

}  // namespace promptcache
