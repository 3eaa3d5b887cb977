#include "tools/cli/replace_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace promptcache {
namespace {

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

}  // namespace

Status ReplaceFile(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  const int file = ::mkstemp(temporary.data());
  if (file < 0) return Unavailable("cannot write beside " + path + ": " + std::strerror(errno));
  Status status = WriteAll(file, text);
  if (status.ok() && ::fchmod(file, ModeFor(path)) != 0) status = Unavailable(std::strerror(errno));
  ::close(file);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = Unavailable(std::strerror(errno));
  }
  if (status.ok()) return {};
  ::unlink(temporary.c_str());
  return Unavailable("cannot write " + path + ": " + status.message());
}

}  // namespace promptcache
